"""Fake cards that wait for the test: a call returns when it may, as a real card's does when time has passed."""

from __future__ import annotations

import threading

from speakerd.audio.pcm_types import PcmFormat
from tests.fakes.pcm import CARD_48K_STEREO, FakeCapturePcm, FakePlaybackPcm


class Turnstile:
    """Lets a number of calls through."""

    def __init__(self) -> None:
        self._permits = threading.Semaphore(0)
        self.open_for_ever = threading.Event()

    def allow(self, calls: int) -> None:
        """Let so many calls through."""
        self._permits.release(calls)

    def allow_all(self) -> None:
        """Let every call through from now on, so that a thread can end."""
        self.open_for_ever.set()
        self._permits.release()

    def pass_through(self) -> None:
        """Wait for a permit."""
        self._permits.acquire()
        if self.open_for_ever.is_set():
            self._permits.release()


class PacedCapturePcm(FakeCapturePcm):
    """A microphone whose periods pass when the test says so."""

    def __init__(self, pcm_format: PcmFormat = CARD_48K_STEREO, sound: bytes = b"") -> None:
        super().__init__(pcm_format, sound)
        self.gate = Turnstile()
        self.let_go = threading.Event()

    def read(self) -> tuple[int, bytes]:
        self.gate.pass_through()
        return super().read()

    def close(self) -> None:
        super().close()
        self.let_go.set()


class PacedPlaybackPcm(FakePlaybackPcm):
    """A loudspeaker that takes a write when the test says so."""

    def __init__(self, pcm_format: PcmFormat = CARD_48K_STEREO) -> None:
        super().__init__(pcm_format)
        self.gate = Turnstile()

    def write(self, data: bytes | memoryview) -> int:
        self.gate.pass_through()
        return super().write(data)

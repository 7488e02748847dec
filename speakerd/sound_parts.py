"""The parts that hear and sound: microphone, loudspeaker, wake word, echo, volume; and the lines between them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from speakerd.audio.alsa import open_capture, open_playback
from speakerd.audio.loudspeaker import Loudspeaker
from speakerd.audio.microphone import Microphone
from speakerd.audio.mixer import Mixer
from speakerd.core.events import (
    BY_REQUEST,
    Device,
    DeviceFound,
    DeviceLost,
    Event,
    PauseHeard,
    WakeWordApproached,
    WakeWordDetected,
)
from speakerd.core.pulse import Part
from speakerd.core.settings import Audio, Settings
from speakerd.core.turn_record import Counts
from speakerd.core.units import Frames
from speakerd.ears import Ears
from speakerd.echoes import Echoes
from speakerd.host.kept import Kept
from speakerd.parts import canceller_of, limits_of, spelling_of, voice_of
from speakerd.ports import Trace
from speakerd.vitals import Moving
from speakerd.volume import Volume
from speakerd.wake.tail import TailCut

log = logging.getLogger("speakerd.app")

WAKE_WORD = "wake word"
"""The name of the ears, where parts are waited for."""

PARTS = (Device.MICROPHONE.value, Device.LOUDSPEAKER.value, WAKE_WORD)
"""What must come up before the speaker is one."""


class SoundParts:
    """Everything between air and the conversation. Thread: event loop.

    Args:
        settings: The configuration.
        environment: Of the process.
        sentences: The owner's own sentences that say what is wrong, if there are any.
        kept: What the owner chose by hand.
        post: Takes what happens.
        send: Takes the microphone's audio for the service, with the number of its first frame.
        is_muted: Whether the owner does not want to be heard.
        on_up: Told of each part that has come up.
        on_failed: Told when there can be no ears.
        trace: The diary.

    Raises:
        SpeakerdError: a wake word model is missing or not the published one.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        sentences: Path | None,
        *,
        kept: Kept,
        post: Callable[[Event], None],
        send: Callable[[bytes, Frames | None], None],
        is_muted: Callable[[], bool],
        on_up: Callable[[str], None],
        on_failed: Callable[[BaseException], None],
        trace: Trace,
    ) -> None:
        audio = settings.audio
        self._post = post
        self._is_muted = is_muted
        self._on_up = on_up
        self._on_failed = on_failed
        self._trace = trace
        self.loudspeaker = self._make_loudspeaker(audio)
        measured_counts = limits_of(settings).barge_in_measured
        self.echoes = Echoes(audio, environment, measured_counts=measured_counts, on_measured=post)
        self.microphone = self._make_microphone(audio, settings.turn_detection.silence_duration_ms, send)
        self.tail_cut = TailCut(self.microphone, lambda: post(PauseHeard()), self.microphone.attend, is_told=True)
        self.ears = Ears(settings.wake, self, environment)
        self.volume = self._make_volume(audio, kept)
        self.voice = voice_of(settings, self.loudspeaker, sentences)
        self.spelling = spelling_of(settings, self.loudspeaker, sentences)

    def moving(self) -> Mapping[Part, Moving]:
        """Return what must move while the speaker hears."""
        return {Part.CAPTURE: self.microphone, Part.WAKE: self.ears, Part.PLAYBACK: self.loudspeaker}

    def counts(self) -> Counts:
        """Return what went wrong so far, in numbers."""
        speaker = self.loudspeaker.status()
        xruns = self.microphone.status()["xruns"] + speaker["xruns"]
        return Counts(xruns, speaker["starvations"], self.ears.near_misses)

    def status(self) -> dict[str, Any]:
        """Return what there is to know, as plain data."""
        return {
            "microphone": self.microphone.status(),
            "loudspeaker": self.loudspeaker.status(),
            "wake": self.ears.status(),
            "volume": self.volume.shown(),
        }

    def note(self, event: Event) -> None:
        """Take what happens to a card: it has come up, or is looked for in vain.

        The ears begin behind the microphone: their engine takes 50 ms to make, and would take them from its opening.
        """
        if isinstance(event, DeviceFound | DeviceLost):
            if event.device is Device.MICROPHONE:
                self.ears.start()
            self._on_up(event.device.value)
        if event == DeviceLost(Device.MICROPHONE):
            self.ears.note_absence()
        elif event == DeviceFound(Device.MICROPHONE):
            self.ears.renew()
        elif event == DeviceFound(Device.LOUDSPEAKER):
            self.volume.restore()

    def wake(self) -> None:
        """Be woken by a request; what the microphone has heard up to now is before it."""
        self.microphone.attend()
        self.on_detected(BY_REQUEST, 1.0, self.microphone.position_frames)

    # --- what the ears tell ------------------------------------------------------------------------------------------

    def on_detected(self, model: str, score: float, position_frames: Frames) -> None:
        """Take a detection of the ears, or a request for one."""
        self._trace.mark("wake", model=model, score=round(score, 3), position_frames=position_frames)
        self._post(WakeWordDetected(model, score, position_frames))

    def on_word_ended(self, position_frames: Frames | None) -> None:
        """Take where the wake word ended."""
        self.tail_cut.word_ended(position_frames)

    def on_approached(self, score: float) -> None:
        """Take a score that rises towards a detection."""
        self._post(WakeWordApproached(score))

    def on_ears_ready(self) -> None:
        """Take note that the wake word can be heard."""
        self._on_up(WAKE_WORD)

    def on_ears_failed(self, code: str, error: BaseException) -> None:
        """End: without ears a speaker is of no use."""
        log.error("the wake word thread failed: %s: %s", code, error, exc_info=error)
        self._on_failed(error)

    # --- the parts ---------------------------------------------------------------------------------------------------

    def _make_loudspeaker(self, audio: Audio) -> Loudspeaker:
        return Loudspeaker(
            device=audio.playback.device,
            open_pcm=open_playback,
            on_event=self._post,
            now=time.monotonic,
            trace=self._trace,
            earcons=audio.earcons,
            on_sound=self._attend,
        )

    def _make_microphone(self, audio: Audio, pause_ms: int, send: Callable[[bytes, Frames | None], None]) -> Microphone:
        return Microphone(
            device=audio.capture.device,
            channel=audio.capture.channel,
            open_pcm=open_capture,
            canceller=canceller_of(audio),
            probe=self.echoes.probe,
            far=self.loudspeaker.reference,
            wake_feed=self._feed_wake,
            uplink=send,
            on_event=self._post,
            on_echo=self.echoes.note,
            on_silent=self._post,
            pause_ms=pause_ms,
            now=time.monotonic,
            trace=self._trace,
        )

    def _make_volume(self, audio: Audio, kept: Kept) -> Volume:
        return Volume(
            Mixer(audio.playback.device, audio.playback.mixer),
            self.loudspeaker.set_gain,
            begin=audio.playback.volume,
            chosen=kept.choices.volume,
            over=kept.choices.volume_over,
            keep=kept.keep_volume,
        )

    def _attend(self) -> None:
        self.microphone.attend()

    def _feed_wake(self, wake: bytes, heard: bytes | None, played: bytes | None) -> None:
        self.ears.feed(wake, heard, played, playing=self.loudspeaker.is_playing, muted=self._is_muted())
        self.tail_cut.feed(wake)

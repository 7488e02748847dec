"""Keep one sound card at work: open it, watch it, open it again when it is lost.

A card is lost in three ways, and each ends the same here: a call raises, calls return without moving a frame (the
thread's body raises then), a call never returns. What is done with the frames is the microphone's and the
loudspeaker's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from speakerd.audio.pcm_types import PcmFormat
from speakerd.audio.thread import STALL_S, AudioThread, Body
from speakerd.core.errors import DeviceError, Remedy
from speakerd.core.events import Device, DeviceFound, DeviceLost, Event
from speakerd.core.story import Kind, story

log = logging.getLogger("speakerd.audio")

FIRST_LOOK_S = 0.02
"""How often to look whether a card that was opened moves: nobody is heard before it is known (guess: a period)."""

LOOK_S = 0.5
"""How often to look whether it still does: one that hangs for a second is found within another half. Looking four times
a second was a third of what the loop costs while nobody talks (measured)."""

BACK_OFF_S = (0.5, 5.0)
"""First and longest wait before a card is opened again (guess: USB takes about a second to come back)."""

DOUBT_S = 2 * STALL_S
"""How long a card must move that hung before, and whose thread did not come back: by then it would have been found to
hang again (follows)."""

STOP_S = 1.0
"""How long a thread may take to end before it is abandoned; its calls take a period (guess)."""


class Pcm(Protocol):
    """An open card."""

    format: PcmFormat
    """What ALSA gave."""

    def close(self) -> None:
        """Let go of it."""


P = TypeVar("P", bound=Pcm)


class _RenewedError(Exception):
    """Another card is wanted; this one is as good as it was."""


class Card(Generic[P]):
    """Keeps one card at work. Thread: event loop; opening and closing happen in worker threads.

    Args:
        device: Which end of the sound path it is.
        open_pcm: Opens it; may block.
        begin: Called with the open card; returns the body that its thread runs.
        end: Called when that is over, before ``DeviceLost``.
        on_event: Takes ``DeviceFound`` when frames move, ``DeviceLost`` once when they do not.
        now: The monotonic clock.
        back_off_s: First and longest wait before another attempt.
        is_busy: Whether a change of the card would be heard now.

    Attributes:
        format: What ALSA gave, while the card is open.
        losses: How often it was lost since it was first found.
        trouble: What is wrong now, for people; None: nothing.
        searches: How often it was opened or looked for while no thread hung in a call of an earlier opening. Such a
            thread holds the card open, and only the end of the process lets go of it.
    """

    def __init__(
        self,
        device: Device,
        *,
        open_pcm: Callable[[], P],
        begin: Callable[[P], Body],
        end: Callable[[], None],
        on_event: Callable[[Event], None],
        now: Callable[[], float],
        back_off_s: tuple[float, float] = BACK_OFF_S,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._device = device
        self._open_pcm = open_pcm
        self._begin = begin
        self._end = end
        self._on_event = on_event
        self._now = now
        self._back_off_s = back_off_s
        self._is_busy = is_busy
        self._renewed = asyncio.Event()
        self._leave: Callable[[BaseException], None] = lambda _error: None
        self._abandoned: list[tuple[AudioThread, P]] = []
        self._told_lost = False
        self._wait_s = back_off_s[0]
        self.format: PcmFormat | None = None
        self.losses = 0
        self.trouble: str | None = None
        self.searches = 0

    @property
    def hangs(self) -> bool:
        """Whether a thread hangs in a call of an earlier opening."""
        return any(thread.alive for thread, _ in self._abandoned)

    async def run(self) -> None:
        """Keep the card at work.

        Raises:
            BaseException: what escaped from the thread, where it was not the card's fault.

        Ends: by cancellation; the thread is stopped and the card closed then.
        """
        self._wait_s = self._back_off_s[0]
        while True:
            self._renewed.clear()
            try:
                await self._work(await self._open())
            except _RenewedError:
                continue
            except DeviceError as error:
                self._note_lost(error)
            # Not wait_for: in Python 3.11 it forgets that it was cancelled in the same step in which this was set.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s):
                    await self._renewed.wait()
            self._wait_s = self._back_off_s[0] if self._renewed.is_set() else min(2 * self._wait_s, self._back_off_s[1])

    def renew(self) -> None:
        """Open the card anew, since another one is wanted; as soon as that is not heard.

        Nobody is told that it is lost, unless the other one cannot be opened.
        """
        self._renewed.set()
        if not self._is_busy():
            self._leave(_RenewedError())

    def status(self) -> dict[str, Any]:
        """Return what there is to know of any card, as plain data."""
        given = self.format
        return {
            "found": given is not None,
            "trouble": self.trouble,
            "losses": self.losses,
            "rate_hz": given.rate_hz if given else None,
            "channels": given.channels if given else None,
            "sample_format": given.sample_format if given else None,
            "period_frames": given.period_frames if given else None,
            "buffer_frames": given.buffer_frames if given else None,
        }

    async def _open(self) -> P:
        self._close_abandoned()
        self.searches += not self._abandoned
        opening = asyncio.ensure_future(asyncio.to_thread(self._open_pcm))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The worker thread cannot be cancelled; a card that it still opens must not stay open.
            with contextlib.suppress(DeviceError):
                await asyncio.wait({opening}, timeout=STOP_S)
                if opening.done():
                    opening.result().close()
            raise

    async def _work(self, pcm: P) -> None:
        """Let a thread work on an open card until that fails."""
        loop = asyncio.get_running_loop()
        # Taken out of it what failed is held by nobody: a future would keep it, its traceback, and with that all this.
        failed: asyncio.Queue[BaseException] = asyncio.Queue()

        def on_failed(_name: str, error: BaseException) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: an abandoned thread came back too late
                loop.call_soon_threadsafe(failed.put_nowait, error)

        thread: AudioThread | None = None
        self._leave = failed.put_nowait
        try:
            body = self._begin(pcm)
            self.format = pcm.format
            thread = AudioThread(f"speakerd-{self._device.value}", body, on_failed)
            thread.start()
            raise await self._watch(thread, body, failed)
        finally:
            await self._put_away(thread, pcm)
            self.format = None
            self._end()

    async def _watch(self, thread: AudioThread, body: Body, failed: asyncio.Queue[BaseException]) -> BaseException:
        """Return why the card does not work any more; say when it begins to."""
        failing = asyncio.ensure_future(failed.get())
        try:
            found = False
            begun_s = self._now()
            while True:
                await asyncio.wait({failing}, timeout=LOOK_S if found else FIRST_LOOK_S)
                if failing.done():
                    return failing.result()
                if self._renewed.is_set() and not self._is_busy():
                    return _RenewedError()
                # One that hangs takes a first bufferful all the same.
                doubted = self.hangs and self._now() - begun_s < DOUBT_S
                if not found and body.progress > 0 and not doubted:
                    found = True
                    self._note_found(realtime=thread.realtime)
                if thread.stalled(self._now()):
                    return DeviceError("device-stalled", f"the {self._device.value} hangs", Remedy.RETRY)
        finally:
            failing.cancel()

    async def _put_away(self, thread: AudioThread | None, pcm: P) -> None:
        if thread is None or await asyncio.to_thread(thread.stop, STOP_S):
            await asyncio.to_thread(pcm.close)
        else:
            # Closing it now would hang the whole process; it is closed when its thread comes back.
            self._abandoned.append((thread, pcm))

    def _close_abandoned(self) -> None:
        still_hanging = []
        for thread, pcm in self._abandoned:
            if thread.alive:
                still_hanging.append((thread, pcm))
            else:
                pcm.close()
        self._abandoned = still_hanging

    def _note_found(self, *, realtime: bool) -> None:
        self._told_lost = False
        self.trouble = None
        self._wait_s = self._back_off_s[0]
        given = self.format
        assert given is not None
        log.info(
            "%s is there: %d Hz, %d channels, %s, %s real-time priority",
            self._device.value,
            given.rate_hz,
            given.channels,
            given.sample_format,
            "at" if realtime else "without",
            extra=story(
                Kind.DEVICE_FOUND,
                device=self._device.value,
                rate_hz=given.rate_hz,
                channels=given.channels,
                sample_format=given.sample_format,
                realtime=int(realtime),
            ),
        )
        self._on_event(DeviceFound(self._device))

    def _note_lost(self, error: DeviceError) -> None:
        self.trouble = str(error)
        if not self._told_lost:
            self._told_lost = True
            self.losses += 1
            lost = story(Kind.DEVICE_LOST, device=self._device.value, code=error.code)
            log.warning(
                "%s is not there, looking for it: %s (%s)", self._device.value, self.trouble, error.code, extra=lost
            )
            self._on_event(DeviceLost(self._device))

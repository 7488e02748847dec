"""The composition root: build every part, start in order, stop in reverse.

Here, and only here, adapters meet: each is given the callables of the others that it needs. Nothing is decided here;
decisions are in ``core/conversation.py``.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from speakerd.audio.alsa import open_capture, open_playback, silence_alsa_messages
from speakerd.audio.echo import EchoCanceller
from speakerd.audio.loudspeaker import Loudspeaker
from speakerd.audio.microphone import Microphone
from speakerd.audio.notices import FOLDER, SpokenNotices
from speakerd.audio.ring import make_ring
from speakerd.controller import Controller
from speakerd.core.echo_probe import EchoProbe
from speakerd.core.errors import SpeakerdError
from speakerd.core.events import (
    BY_REQUEST,
    DeviceFound,
    DeviceLost,
    Event,
    MuteChanged,
    PauseHeard,
    StopRequested,
    WakeWordDetected,
)
from speakerd.core.settings import Settings
from speakerd.core.units import SAMPLE_BYTES, WAKE_RATE_HZ, WIRE_RATE_HZ, Frames
from speakerd.core.wake_gate import WakeTrigger
from speakerd.host.control import ControlServer
from speakerd.host.notify import Notifier
from speakerd.parts import credentials_of, limits_of, service_of, spec_of
from speakerd.ports import Credentials, Trace
from speakerd.realtime.endpoint import Endpoint
from speakerd.realtime.link import RealtimeLink
from speakerd.wake import models
from speakerd.wake.tail import TailCut
from speakerd.wake.worker import WakeWorker

log = logging.getLogger("speakerd.app")

WAKE_RING_S = 20
"""Audio that waits while the wake word model loads; a Pi Zero takes about 10 s for it (estimate)."""

STOP_TIMEOUT_S = 1.0
"""How long a thread may take to end before it is abandoned (guess: a period is 20 ms)."""


class MonotonicClock:
    """Time, as the machine has it."""

    def now(self) -> float:
        """Return seconds on the monotonic clock."""
        return time.monotonic()


class Speaker:
    """The daemon: every part, and the lines between them. Thread: event loop.

    Args:
        settings: The configuration.
        endpoint: Where the service is.
        credentials: Who we are to it.
        trace: The diary.
        notifier: Where people and systemd look.
        sentences: The owner's own sentences that say what is wrong, if there are any.
    """

    def __init__(
        self,
        settings: Settings,
        endpoint: Endpoint,
        credentials: Credentials,
        trace: Trace,
        notifier: Notifier,
        *,
        sentences: Path | None = None,
    ) -> None:
        self._settings = settings
        self._trace = trace
        self._notifier = notifier
        self._loop = asyncio.get_running_loop()
        self._since_s = time.monotonic()
        self._ready = {"microphone": False, "loudspeaker": False, "wake word": False}
        self._failure: BaseException | None = None
        self._stop = asyncio.Event()

        audio = settings.audio
        self._loudspeaker = Loudspeaker(
            device=audio.playback.device,
            open_pcm=open_playback,
            on_event=self._post,
            now=time.monotonic,
            trace=trace,
            earcons=audio.earcons,
        )
        self._microphone = Microphone(
            device=audio.capture.device,
            channel=audio.capture.channel,
            open_pcm=open_capture,
            canceller=None if audio.echo_cancellation == "off" else EchoCanceller(),
            probe=EchoProbe() if audio.echo_cancellation == "auto" else None,
            far=self._loudspeaker.reference,
            wake_feed=self._feed_wake,
            uplink=self._send,
            on_event=self._post,
            now=time.monotonic,
            trace=trace,
        )
        self._tail_cut = TailCut(self._microphone, lambda: self._post(PauseHeard()))
        self._link = RealtimeLink(
            endpoint=endpoint,
            credentials=credentials,
            spec=spec_of(settings),
            on_event=self._post,
            on_audio=self._loudspeaker.enqueue,
            on_response_audio_done=self._loudspeaker.end_of_audio,
            on_transcript=self._note_transcript,
            now=time.monotonic,
            trace=trace,
        )
        self._wake = self._build_wake()
        self.controller = Controller(
            uplink=self._tail_cut,
            loudspeaker=self._loudspeaker,
            voice=SpokenNotices(
                play=self._loudspeaker.play_notice,
                chime=self._loudspeaker.play_earcon,
                language=settings.assistant.language,
                hour=lambda: time.localtime().tm_hour,
                folders=(FOLDER,) if sentences is None else (sentences, FOLDER),
            ),
            link=self._link,
            indicator=self,
            clock=MonotonicClock(),
            trace=trace,
            limits=limits_of(settings),
            call_at=self._loop.call_at,
        )

    async def run(self, socket: Path) -> None:
        """Run until ``stop`` is called.

        Args:
            socket: Where the control socket is put.

        Raises:
            SpeakerdError: a part failed for good.

        Ends: by ``stop``, by a part's failure, or by cancellation; then everything is closed, in reverse order.
        """
        control = ControlServer(
            socket,
            {
                "status": lambda _request: self.status(),
                "mute": lambda _request: self._ask(MuteChanged(muted=True)),
                "unmute": lambda _request: self._ask(MuteChanged(muted=False)),
                "stop": lambda _request: self._ask(StopRequested()),
                "wake": lambda _request: self._ask(
                    WakeWordDetected(BY_REQUEST, 1.0, Frames(self._microphone.position_frames))
                ),
            },
        )
        self._loop.set_exception_handler(self._on_loop_error)
        # Ears first: what is said while the rest loads is caught up with.
        self._wake.start()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._microphone.run(), name="microphone"),
                    group.create_task(self._loudspeaker.run(), name="loudspeaker"),
                    group.create_task(self._link.run(), name="link"),
                    group.create_task(control.run(), name="control"),
                    group.create_task(self._link.warm(), name="warm"),
                ]
                await self._stop.wait()
                self._notifier.stopping()
                for task in tasks:
                    task.cancel()
        finally:
            if not self._wake.stop(STOP_TIMEOUT_S):
                log.warning("the wake word thread does not end: abandoned")
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ask ``run`` to end. Thread: event loop."""
        self._stop.set()

    def fail(self, error: BaseException) -> None:
        """Make ``run`` end with this error. Thread: event loop."""
        self._failure = error
        self._stop.set()

    def show(self, line: str) -> None:
        """Show the status line, from when there is one: before all parts have come up it would be alarming."""
        if all(self._ready.values()):
            self._notifier.show(line)

    def status(self) -> dict[str, Any]:
        """Return what there is to know, as plain data."""
        state = self.controller.state
        return {
            "line": self.controller.status_line(),
            "phase": state.phase.value,
            "turn": state.turn,
            "muted": state.muted,
            "trouble": state.trouble,
            "uptime_s": round(time.monotonic() - self._since_s, 1),
            "microphone": self._microphone.status(),
            "loudspeaker": self._loudspeaker.status(),
            "link": self._link.status(),
            "wake": {
                "models": list(self._settings.wake.models),
                "last_score": self._wake.last_score,
                "near_misses": self._wake.near_misses,
                "chunks": self._wake.chunks,
                "skipped_frames": self._wake.skipped_frames,
            },
        }

    # --- the lines between the parts ---------------------------------------------------------------------------------

    def _build_wake(self) -> WakeWorker:
        wake = self._settings.wake
        paths = {Path(name).stem: models.resolve(name) for name in wake.models}
        features = models.features()
        self._wake_ring, consumer = make_ring(WAKE_RING_S * WAKE_RATE_HZ * SAMPLE_BYTES)
        self._far_ring, far_consumer = make_ring(WAKE_RING_S * WAKE_RATE_HZ * SAMPLE_BYTES)

        def make_detector() -> Any:
            from speakerd.wake.detector import OpenWakeWord

            return OpenWakeWord(paths, features)

        def to_loop(callback: Callable[..., None]) -> Callable[..., None]:
            def from_thread(*arguments: Any) -> None:
                self._loop.call_soon_threadsafe(callback, *arguments)

            return from_thread

        return WakeWorker(
            ring=consumer,
            far_ring=far_consumer,
            make_detector=make_detector,
            trigger=WakeTrigger(wake.threshold_score, wake.refractory_s),
            on_detected=to_loop(self._on_detected),
            on_failed=to_loop(self._on_thread_failed),
            on_ready=to_loop(lambda: self._note_ready("wake word")),
        )

    def _feed_wake(self, pcm: bytes, heard: bytes | None, far: bytes | None) -> None:
        wake = self._wake
        if self._wake_ring.free_bytes >= len(pcm):
            self._far_ring.write(far or bytes(len(pcm)))
            self._wake_ring.write(heard or pcm)
        else:
            wake.skipped_frames += len(pcm) // SAMPLE_BYTES
        wake.playing = self._loudspeaker.is_playing
        wake.muted = self.controller.state.muted
        wake.notify()
        self._tail_cut.feed(pcm)

    def _send(self, pcm: bytes) -> None:
        self._link.append(pcm)

    def _on_detected(self, model: str, score: float, position_frames: int) -> None:
        wire_frames = Frames(position_frames * WIRE_RATE_HZ // WAKE_RATE_HZ)
        self._trace.mark("wake", model=model, score=round(score, 3), position_frames=wire_frames)
        log.info('heard "%s", score %.2f', model.replace("_", " "), score)
        self.controller.post(WakeWordDetected(model, score, wire_frames))

    def _on_thread_failed(self, name: str, error: BaseException) -> None:
        log.error("the %s thread failed: %s", name, error, exc_info=error)
        self.fail(error)

    def _on_loop_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End on a bug in a callback: a speaker that goes on half dead is worse than one that starts anew."""
        error = context.get("exception")
        log.error("%s", context["message"], exc_info=error)
        if error is not None:
            self.fail(error)

    def _post(self, event: Event) -> None:
        self.controller.post(event)
        if isinstance(event, DeviceFound | DeviceLost):
            self._note_ready(event.device.value)

    def _note_ready(self, part: str) -> None:
        """Tell systemd once every part has come up, or has been looked for in vain and goes on being looked for."""
        if all(self._ready.values()):
            return
        self._ready[part] = True
        self._trace.mark("ready", part=part)
        if all(self._ready.values()):
            self._notifier.ready()
            self._notifier.show(self.controller.status_line())

    def _note_transcript(self, role: str, _item_id: str, text: str) -> None:
        if self._settings.log.transcripts:
            log.info("%s: %s", role, text)

    def _ask(self, event: Event) -> dict[str, Any]:
        self.controller.post(event)
        return {"line": self.controller.status_line()}


async def run(
    settings: Settings, *, environment: Mapping[str, str], trace: Trace, socket: Path, sentences: Path | None = None
) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Args:
        settings: The configuration.
        environment: Of the process.
        trace: The diary.
        socket: Where the control socket is put.
        sentences: The owner's own sentences that say what is wrong, if there are any.

    Raises:
        SpeakerdError: the daemon cannot run.

    Ends: by signal, within two seconds.
    """
    silence_alsa_messages()
    async with AsyncExitStack() as stack:
        speaker: Speaker | None = None

        def on_ended(error: SpeakerdError) -> None:
            if speaker is not None:
                speaker.fail(error)

        endpoint = await stack.enter_async_context(service_of(settings, on_ended))
        speaker = Speaker(
            settings, endpoint, credentials_of(settings, environment), trace, Notifier(), sentences=sentences
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, speaker.stop)
            stack.callback(loop.remove_signal_handler, number)
        await speaker.run(socket)

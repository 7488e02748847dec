"""The composition root: build every part, start in order, stop in reverse.

Here, and only here, adapters meet: each is given the callables of the others that it needs. Nothing is decided here;
decisions are in ``core/conversation.py``.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from speakerd.accounts import Accounts
from speakerd.audio.alsa import open_capture, open_playback, silence_alsa_messages
from speakerd.audio.loudspeaker import Loudspeaker
from speakerd.audio.microphone import Microphone
from speakerd.audio.mixer import Mixer
from speakerd.controller import Controller
from speakerd.core.errors import SpeakerdError
from speakerd.core.events import (
    BY_REQUEST,
    BudgetChanged,
    Device,
    DeviceFound,
    DeviceLost,
    Event,
    MuteChanged,
    PauseHeard,
    SignInChanged,
    WakeWordApproached,
    WakeWordDetected,
)
from speakerd.core.memory import Memory
from speakerd.core.moves import barge_in
from speakerd.core.pulse import Part
from speakerd.core.settings import Audio, Settings
from speakerd.core.sign_in import SignInState
from speakerd.core.state import Limits, Phase
from speakerd.core.story import Kind, story
from speakerd.core.turn_record import Counts
from speakerd.core.units import Frames, ItemId
from speakerd.ears import Ears
from speakerd.echoes import Echoes
from speakerd.host.control import ControlServer
from speakerd.host.hangup import Hangups
from speakerd.host.kept import Kept
from speakerd.host.notify import Notifier
from speakerd.host.places import state_folder
from speakerd.host.watchdog import Watchdog
from speakerd.identity import Identity
from speakerd.parts import limits_of, spec_of, spelling_of, voice_of, what_holds
from speakerd.ports import Trace
from speakerd.realtime.endpoint import Endpoint
from speakerd.realtime.link import RealtimeLink
from speakerd.refit import Parts, Refit, canceller_of
from speakerd.reload import Reloader, Source
from speakerd.requests import Requests
from speakerd.service_place import ServicePlace, service_place
from speakerd.sign_in_desk import SignInDesk
from speakerd.text_desk import TextDesk
from speakerd.vitals import watchdog_of
from speakerd.volume import Volume
from speakerd.wake.tail import TailCut

log = logging.getLogger("speakerd.app")

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
        trace: The diary.
        notifier: Where people and systemd look.
        environment: Of the process.
        sentences: The owner's own sentences that say what is wrong, if there are any.
        source: Where another configuration comes from; None: there is never another.
        place: Knows where its service is; None: it has an address.
    """

    def __init__(
        self,
        settings: Settings,
        endpoint: Endpoint,
        trace: Trace,
        notifier: Notifier,
        *,
        environment: Mapping[str, str],
        sentences: Path | None = None,
        source: Source | None = None,
        place: ServicePlace | None = None,
    ) -> None:
        self._settings = settings
        self._environment = environment
        limits = limits_of(settings)
        self._built = False
        self._notifier = notifier
        self._loop = asyncio.get_running_loop()
        self._since_s = time.monotonic()
        self._ready = {"microphone": False, "loudspeaker": False, "wake word": False}
        self._line_since_s = self._since_s
        self._failure: BaseException | None = None
        self._stop = asyncio.Event()
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

        self._accounts = self._make_accounts(trace)
        self._trace = self._accounts.trace
        self._identity = self._make_identity(settings)
        self._memory = Memory(settings.conversation.memory_minutes)
        self._loudspeaker = self._make_loudspeaker(settings.audio)
        self._echoes = Echoes(
            settings.audio, environment, measured_counts=limits.barge_in_measured, on_measured=self._post
        )
        self._microphone = self._make_microphone(settings.audio)
        self._tail_cut = TailCut(
            self._microphone, lambda: self._post(PauseHeard()), self._microphone.attend, is_told=True
        )
        self._link = self._make_link(endpoint)
        self._ears = Ears(settings.wake, self)
        self._watchdog = self._make_watchdog()
        self._texts = self._make_texts()
        self._kept = Kept(state_folder(environment) / "choices.json")
        self._volume = self._make_volume(settings.audio)
        self._spelling = spelling_of(settings, self._loudspeaker, sentences)
        self._desk = self._make_desk()
        self._voice = voice_of(settings, self._loudspeaker, sentences)
        self._built = True
        self.controller = self._make_controller(limits)
        self._requests = Requests(
            self.controller,
            microphone=self._microphone,
            loudspeaker=self._loudspeaker,
            on_wake=self._wake_by_request,
            on_mute=lambda muted: self._kept.keep(muted=muted),
        )
        self._reloader = Reloader(
            settings,
            source,
            fitter=Refit(self._parts(place or ServicePlace(self.fail))),
            notifier=notifier,
            is_idle=lambda: self.controller.state.phase is Phase.IDLE,
            trace=self._trace,
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
                "usage": lambda _request: self._accounts.report(),
                **self._requests.handlers,
                **self._desk.handlers,
                **self._texts.handlers,
                **self._volume.handlers,
                "reload": self._reloader.by_request,
            },
        )
        self._loop.set_exception_handler(self._on_loop_error)
        if self._kept.choices.muted:  # before anybody can be heard
            self.controller.post(MuteChanged(muted=True))
        self._accounts.refresh()  # the budget may have been spent before this start
        # Ears first: what is said while the rest loads is caught up with.
        self._ears.start()
        try:
            async with self._group:
                self._start(self._microphone.run(), "microphone")
                self._start(self._loudspeaker.run(), "loudspeaker")
                self._start(self._link.run(), "link")
                self._start(control.run(), "control")
                self._start(self._accounts.run(), "accounts")
                self._start(self._echoes.run(), "echoes")
                self._being = self._start(self._identity.run(), "identity")
                self._start(self._desk.run(), "sign-in desk")
                self._start(self._reloader.run(), "reload")
                self._start(self._warm(), "warm")
                self._start(self._watchdog.run(), "watchdog")
                await self._stop.wait()
                self._notifier.stopping()
                for task in self._tasks:
                    task.cancel()
        finally:
            self._ears.stop(STOP_TIMEOUT_S)
            self._accounts.close()
            self._echoes.close()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ask ``run`` to end. Thread: event loop."""
        self._stop.set()

    def fail(self, error: BaseException) -> None:
        """Make ``run`` end with this error. Thread: event loop."""
        self._failure = error
        self._stop.set()

    def reload(self) -> None:
        """Read the configuration again. Thread: event loop."""
        self._reloader.ask()

    def show(self, line: str) -> None:
        """Show the status line, from when there is one: before all parts have come up it would be alarming."""
        self._line_since_s = time.monotonic()
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
            "barge_in": barge_in(state, self.controller.limits).value,
            "uptime_s": round(time.monotonic() - self._since_s, 1),
            "line_since_s": round(time.monotonic() - self._line_since_s, 1),
            "microphone": self._microphone.status(),
            "loudspeaker": self._loudspeaker.status(),
            "link": self._link.status(),
            "sign_in": self._identity.status(),
            "wake": self._ears.status(),
            "volume": self._volume.shown(),
            "last_turn": self._accounts.last_turn(),
            "spend": self._accounts.today(),
            "configuration": {**what_holds(self._reloader.running), **self._reloader.status()},
        }

    # --- the lines between the parts ---------------------------------------------------------------------------------

    def _make_accounts(self, trace: Trace) -> Accounts:
        return Accounts(
            self._settings,
            self._environment,
            trace=trace,
            counts=self._counts,
            on_over=lambda spent: self._post(BudgetChanged(spent)),
            now=time.monotonic,
            call_at=self._loop.call_at,
        )

    def _make_watchdog(self) -> Watchdog:
        return watchdog_of(
            self._environment,
            feed=self._notifier.alive,
            is_ready=lambda: all(self._ready.values()),
            parts=lambda: {Part.CAPTURE: self._microphone, Part.WAKE: self._ears, Part.PLAYBACK: self._loudspeaker},
            now=time.monotonic,
        )

    def _make_texts(self) -> TextDesk:
        return TextDesk(
            self._post,
            lambda: self.controller.state,
            refresh=self._accounts.refresh,
            expect=lambda item_id: self._memory.expect(item_id, time.monotonic()),
            remember=lambda item_id, text: self._memory.said("user", text, time.monotonic(), item_id),
        )

    def _make_volume(self, audio: Audio) -> Volume:
        return Volume(
            Mixer(audio.playback.device, audio.playback.mixer),
            self._loudspeaker.set_gain,
            begin=audio.playback.volume,
            chosen=self._kept.choices.volume,
            keep=lambda percent: self._kept.keep(volume=percent),
        )

    def _make_controller(self, limits: Limits) -> Controller:
        return Controller(
            uplink=self._tail_cut,
            loudspeaker=self._loudspeaker,
            voice=self._voice,
            link=self._link,
            indicator=self,
            clock=MonotonicClock(),
            trace=self._trace,
            limits=limits,
            call_at=self._loop.call_at,
            on_step=self._texts.on_step,
            on_idle=self._settle,
        )

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

    def _make_microphone(self, audio: Audio) -> Microphone:
        return Microphone(
            device=audio.capture.device,
            channel=audio.capture.channel,
            open_pcm=open_capture,
            canceller=canceller_of(audio),
            probe=self._echoes.probe,
            far=self._loudspeaker.reference,
            wake_feed=self._feed_wake,
            uplink=self._send,
            on_event=self._post,
            on_echo=self._echoes.note,
            on_silent=self._post,
            pause_ms=self._settings.turn_detection.silence_duration_ms,
            now=time.monotonic,
            trace=self._trace,
        )

    def _make_identity(self, settings: Settings) -> Identity:
        return Identity(settings, self._environment, on_change=self._post, call_at=self._loop.call_at)

    def _make_desk(self) -> SignInDesk:
        return SignInDesk(
            self._settings.auth,
            self._identity.worker,
            self._identity.keeper,
            speak=self._spelling.say,
            hush=self._hush_code,
            is_muted=lambda: self.controller.state.muted,
        )

    def _make_link(self, endpoint: Endpoint) -> RealtimeLink:
        return RealtimeLink(
            endpoint=endpoint,
            credentials=self._identity.credentials,
            spec=spec_of(self._settings),
            on_event=self._post,
            on_audio=self._loudspeaker.enqueue,
            on_response_audio_done=self._loudspeaker.end_of_audio,
            on_transcript=self._note_transcript,
            on_committed=lambda item_id: self._memory.expect(item_id, time.monotonic()),
            on_cut=self._memory.cut,
            on_usage=self._accounts.note_usage,
            on_transcription_usage=self._accounts.note_transcription,
            on_asking_again=self._memory.withdraw,
            seeds=lambda: self._memory.recent(time.monotonic()),
            now=time.monotonic,
            trace=self._trace,
        )

    def _parts(self, place: ServicePlace) -> Parts:
        return Parts(
            accounts=self._accounts,
            controller=self.controller,
            ears=self._ears,
            echoes=self._echoes,
            microphone=self._microphone,
            loudspeaker=self._loudspeaker,
            volume=self._volume,
            voice=self._voice,
            spelling=self._spelling,
            memory=self._memory,
            link=self._link,
            place=place,
            desk=self._desk,
            be=self._be,
            start=self._start,
        )

    def _start(self, body: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a part until the daemon ends."""
        task = self._group.create_task(body, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)
        return task

    def _settle(self) -> None:
        self._reloader.settle()

    def _be(self, settings: Settings) -> Identity:
        """Be who another configuration says; nothing is known of that sign-in yet, as after a start."""
        self._identity.close()
        self._being.cancel()
        self._post(SignInChanged(SignInState.OK, usable=True))
        self._identity = self._make_identity(settings)
        self._being = self._start(self._identity.run(), "identity")
        return self._identity

    def _feed_wake(self, wake: bytes, heard: bytes | None, played: bytes | None) -> None:
        playing, muted = self._loudspeaker.is_playing, self.controller.state.muted
        self._ears.feed(wake, heard, played, playing=playing, muted=muted)
        self._tail_cut.feed(wake)

    def _attend(self) -> None:
        self._microphone.attend()

    def _wake_by_request(self) -> None:
        self._attend()  # what it has heard up to now is before the request
        self.on_detected(BY_REQUEST, 1.0, self._microphone.position_frames)

    def on_detected(self, model: str, score: float, position_frames: Frames) -> None:
        """Take a detection of the ears, or a request for one."""
        self._trace.mark("wake", model=model, score=round(score, 3), position_frames=position_frames)
        self._accounts.refresh()  # a day may have ended since the last conversation
        self.controller.post(WakeWordDetected(model, score, position_frames))

    def on_word_ended(self, position_frames: Frames | None) -> None:
        """Take where the wake word ended."""
        self._tail_cut.word_ended(position_frames)

    def on_approached(self, score: float) -> None:
        """Take a score that rises towards a detection."""
        self._accounts.refresh()
        self.controller.post(WakeWordApproached(score))

    def on_ears_ready(self) -> None:
        """Take note that the wake word can be heard."""
        self._note_ready("wake word")

    def on_ears_failed(self, code: str, error: BaseException) -> None:
        """End: without ears a speaker is of no use."""
        log.error("the wake word thread failed: %s: %s", code, error, exc_info=error)
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
        if event == DeviceFound(Device.MICROPHONE):
            self._ears.renew()
        elif event == DeviceFound(Device.LOUDSPEAKER):
            self._volume.restore()

    def _note_ready(self, part: str) -> None:
        """Tell systemd once every part has come up, or has been looked for in vain and goes on being looked for."""
        if all(self._ready.values()):
            return
        self._ready[part] = True
        self._trace.mark("ready", part=part)
        if all(self._ready.values()):
            seconds = time.monotonic() - self._since_s
            log.info("ready after %.1f s", seconds, extra=story(Kind.READY, seconds=f"{seconds:.1f}"))
            self._reloader.ready.set()
            self._notifier.ready()
            self._notifier.show(self.controller.status_line())

    def _send(self, pcm: bytes, first_frame: Frames | None) -> None:
        self._link.append(pcm, first_frame)

    def _counts(self) -> Counts:
        if not self._built:  # the turns' log asks once before there is anybody to be asked
            return Counts()
        speaker = self._loudspeaker.status()
        xruns = self._microphone.status()["xruns"] + speaker["xruns"]
        return Counts(xruns, speaker["starvations"], self._ears.near_misses)

    def _note_transcript(self, role: str, item_id: str, text: str) -> None:
        self._memory.said(role, text, time.monotonic(), ItemId(item_id))
        self._texts.on_transcript(role, text)
        if self._reloader.running.log.transcripts:
            log.info("%s: %s", role, text)

    def _hush_code(self) -> None:
        if self.controller.state.phase is Phase.IDLE:  # else what plays is a reply
            self._loudspeaker.flush()

    async def _warm(self) -> None:
        """Load what the first conversation needs.

        A collection of everything that is loaded holds all threads for some 40 ms (measured), a sentence that plays
        meanwhile would have a hole: so there is none until then, and what has come by then is never looked at again.
        """
        gc.disable()
        try:
            await self._link.warm()
        finally:
            gc.freeze()
            gc.enable()


async def run(
    settings: Settings,
    *,
    environment: Mapping[str, str],
    trace: Trace,
    socket: Path,
    sentences: Path | None = None,
    source: Source | None = None,
    hangups: Hangups | None = None,
) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Args:
        settings: The configuration.
        environment: Of the process.
        trace: The diary.
        socket: Where the control socket is put.
        sentences: The owner's own sentences that say what is wrong, if there are any.
        source: Where another configuration comes from; None: there is never another.
        hangups: By which it is asked for; None: it is not.

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

        place = await stack.enter_async_context(service_place(on_ended))
        speaker = Speaker(
            settings,
            await place.reach(settings),
            trace,
            Notifier(),
            environment=environment,
            sentences=sentences,
            source=source,
            place=place,
        )
        loop = asyncio.get_running_loop()
        if hangups is not None:
            hangups.listen(loop, speaker.reload)
            stack.callback(hangups.ignore, loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, speaker.stop)
            stack.callback(loop.remove_signal_handler, number)
        await speaker.run(socket)

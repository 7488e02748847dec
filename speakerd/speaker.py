"""The daemon: what hears and sounds, what deals with the service, and the conversation between the two."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from speakerd.accounts import Accounts
from speakerd.controller import Controller
from speakerd.core.events import (
    BudgetChanged,
    Event,
    MuteChanged,
    WakeWordApproached,
    WakeWordDetected,
)
from speakerd.core.moves import barge_in
from speakerd.core.settings import Settings
from speakerd.core.state import Limits, Phase
from speakerd.core.story import Kind, story
from speakerd.core.turn_record import Counts
from speakerd.core.units import Frames
from speakerd.host.control import ControlServer
from speakerd.host.kept import Kept
from speakerd.host.notify import Notifier
from speakerd.host.places import state_folder
from speakerd.parts import limits_of, what_holds
from speakerd.ports import Trace
from speakerd.readiness import Readiness
from speakerd.realtime.endpoint import Endpoint
from speakerd.refit import Parts, Refit
from speakerd.reload import Reloader, Source
from speakerd.requests import Requests
from speakerd.service_parts import ServiceParts
from speakerd.service_place import ServicePlace
from speakerd.sound_parts import PARTS, SoundParts
from speakerd.vitals import watchdog_of

log = logging.getLogger("speakerd.app")

HEARING_TIMEOUT_S = 1.0
"""How long behind a start that is over the first sound is waited for: where no microphone is there, there is none
(chosen; it takes 80 ms)."""

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
        self._notifier = notifier
        self._loop = asyncio.get_running_loop()
        self._since_s = self._line_since_s = time.monotonic()
        self._readiness = Readiness(PARTS, self._on_part, self._on_ready)
        self._failure: BaseException | None = None
        self._stop = asyncio.Event()
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

        self._counts: Callable[[], Counts] = Counts  # until there is anybody to be asked
        self._accounts = self._make_accounts(settings, environment, trace)
        self._trace = self._accounts.trace
        self._kept = Kept(state_folder(environment) / "choices.json")
        self._sound = sound = self._make_sound(settings, environment, sentences)
        self._counts = sound.counts
        self._service = self._make_service(settings, environment, endpoint, sound)
        self.controller = self._make_controller(limits_of(settings), sound)
        self._requests = Requests(
            self.controller,
            microphone=sound.microphone,
            loudspeaker=sound.loudspeaker,
            on_wake=sound.wake,
            on_mute=self._kept.keep_muted,
        )
        self._reloader = self._make_reloader(settings, source, self._parts(sound, place or ServicePlace(self.fail)))
        self._watchdog = watchdog_of(
            environment,
            feed=notifier.alive,
            is_ready=lambda: self._readiness.is_complete,
            parts=sound.moving,
            now=time.monotonic,
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
                **self._service.desk.handlers,
                **self._service.texts.handlers,
                **self._sound.volume.handlers,
                "reload": self._reloader.by_request,
            },
            forgets=self._service.texts.handlers.keys(),
        )
        self._loop.set_exception_handler(self._on_loop_error)
        if self._kept.choices.muted:  # before anybody can be heard
            self.controller.post(MuteChanged(muted=True))
        self._accounts.refresh()  # the budget may have been spent before this start
        try:
            async with self._group:
                # First of all: what is said while the rest loads, the wake word's engine too, is caught up with.
                self._start(self._sound.microphone.run(), "microphone")
                self._start(self._sound.loudspeaker.run(), "loudspeaker")
                self._service.run(self._until_hearing)
                self._start(control.run(), "control")
                self._start(self._accounts.run(), "accounts")
                self._start(self._sound.echoes.run(), "echoes")
                self._start(self._reloader.run(), "reload")
                self._start(self._warm(), "warm")
                self._start(self._watchdog.run(), "watchdog")
                await self._stop.wait()
                self._notifier.stopping()
                for task in self._tasks:
                    task.cancel()
        finally:
            self._sound.ears.stop(STOP_TIMEOUT_S)
            self._accounts.close()
            self._sound.echoes.close()
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
        if self._readiness.is_complete:
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
            **self._sound.status(),
            "link": self._service.link.status(),
            "sign_in": self._service.identity.status(),
            "last_turn": self._accounts.last_turn(),
            "spend": self._accounts.today(),
            "configuration": {**what_holds(self._reloader.running), **self._reloader.status()},
        }

    # --- the lines between the parts ---------------------------------------------------------------------------------

    def _post(self, event: Event) -> None:
        if isinstance(event, WakeWordDetected | WakeWordApproached):
            self._accounts.refresh()  # a day may have ended since the last conversation
        self.controller.post(event)
        self._sound.note(event)

    def _start(self, body: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a part until the daemon ends."""
        task = self._group.create_task(body, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)
        return task

    def _count(self) -> Counts:
        return self._counts()

    def _send(self, pcm: bytes, first_frame: Frames | None) -> None:
        self._service.link.append(pcm, first_frame)

    def _settle(self) -> None:
        self._reloader.settle()

    def _on_part(self, part: str) -> None:
        self._trace.mark("ready", part=part)

    def _on_ready(self) -> None:
        """Tell systemd."""
        seconds = time.monotonic() - self._since_s
        log.info("ready after %.1f s", seconds, extra=story(Kind.READY, seconds=f"{seconds:.1f}"))
        self._reloader.ready.set()
        self._notifier.ready()
        self._notifier.show(self.controller.status_line())

    def _on_loop_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End on a bug in a callback: a speaker that goes on half dead is worse than one that starts anew."""
        error = context.get("exception")
        log.error("%s", context["message"], exc_info=error)
        if error is not None:
            self.fail(error)

    async def _warm(self) -> None:
        """Load what the first conversation needs, when what is said is heard already.

        A collection of everything that is loaded holds all threads for some 40 ms (measured), a sentence that plays
        meanwhile would have a hole: so there is none until then, and what has come by then is never looked at again.
        """
        gc.disable()
        try:
            await self._until_hearing()
            self._trace.mark("warming", hearing=self._sound.ears.hearing.is_set())
            await self._service.link.warm()
        finally:
            gc.freeze()
            gc.enable()

    async def _until_hearing(self) -> None:
        """Wait until audio is scored; or until a start without a microphone is over."""
        await self._reloader.ready.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARING_TIMEOUT_S):
                await self._sound.ears.hearing.wait()

    # --- the parts ---------------------------------------------------------------------------------------------------

    def _make_accounts(self, settings: Settings, environment: Mapping[str, str], trace: Trace) -> Accounts:
        return Accounts(
            settings,
            environment,
            trace=trace,
            counts=self._count,
            on_over=lambda spent: self._post(BudgetChanged(spent)),
            now=time.monotonic,
            call_at=self._loop.call_at,
        )

    def _make_sound(self, settings: Settings, environment: Mapping[str, str], sentences: Path | None) -> SoundParts:
        return SoundParts(
            settings,
            environment,
            sentences,
            kept=self._kept,
            post=self._post,
            send=self._send,
            is_muted=lambda: self.controller.state.muted,
            on_up=self._readiness.note,
            on_failed=self.fail,
            trace=self._trace,
        )

    def _make_service(
        self, settings: Settings, environment: Mapping[str, str], endpoint: Endpoint, sound: SoundParts
    ) -> ServiceParts:
        return ServiceParts(
            settings,
            environment,
            endpoint,
            sound=sound,
            accounts=self._accounts,
            post=self._post,
            state=lambda: self.controller.state,
            start=self._start,
            tells_transcripts=lambda: self._reloader.running.log.transcripts,
            trace=self._trace,
        )

    def _make_controller(self, limits: Limits, sound: SoundParts) -> Controller:
        return Controller(
            uplink=sound.tail_cut,
            loudspeaker=sound.loudspeaker,
            voice=sound.voice,
            link=self._service.link,
            indicator=self,
            clock=MonotonicClock(),
            trace=self._trace,
            limits=limits,
            call_at=self._loop.call_at,
            on_step=self._service.texts.on_step,
            on_idle=self._settle,
        )

    def _make_reloader(self, settings: Settings, source: Source | None, parts: Parts) -> Reloader:
        return Reloader(
            settings,
            source,
            fitter=Refit(parts),
            notifier=self._notifier,
            is_idle=lambda: self.controller.state.phase is Phase.IDLE,
            trace=self._trace,
        )

    def _parts(self, sound: SoundParts, place: ServicePlace) -> Parts:
        service = self._service
        return Parts(
            accounts=self._accounts,
            controller=self.controller,
            ears=sound.ears,
            echoes=sound.echoes,
            microphone=sound.microphone,
            loudspeaker=sound.loudspeaker,
            volume=sound.volume,
            voice=sound.voice,
            spelling=sound.spelling,
            memory=service.memory,
            link=service.link,
            place=place,
            desk=service.desk,
            be=service.be,
            start=self._start,
        )

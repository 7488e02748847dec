"""The controller: owns the state, asks ``step`` what to do, does it through the ports.

It holds no policy. Every event comes in by ``post``; every transition is logged and traced here and nowhere else; the
state's one deadline becomes the one timer of the conversation.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, assert_never

from speakerd.core.actions import (
    AbandonLink,
    AcceptAudio,
    Action,
    Announce,
    AnswerCall,
    CancelResponse,
    CloseLink,
    CloseUplink,
    ConfigureTurns,
    FlushPlayback,
    OpenLink,
    OpenUplink,
    PlayEarcon,
    PrepareLink,
    RejectAudio,
    RenewLink,
    ReopenLink,
    RepeatUplink,
    RequestResponse,
    Say,
    SendText,
    SilenceUplink,
    TruncateItem,
)
from speakerd.core.conversation import step
from speakerd.core.events import DeadlinePassed, Event, LinkLost, SpeechStarted, StopRequested, WakeWordDetected
from speakerd.core.state import Limits, Phase, State, status_line
from speakerd.ports import Clock, Indicator, Link, Loudspeaker, Trace, Uplink, Voice

log = logging.getLogger("speakerd.controller")


class Timer(Protocol):
    """What ``call_at`` gives back."""

    def cancel(self) -> None:
        """Forget the call."""


class Controller:
    """The one writer of the conversation's state. Thread: event loop.

    Args:
        uplink: The gate from the microphone.
        loudspeaker: The gate to the loudspeaker.
        voice: What says that something is wrong.
        link: The session with the service.
        indicator: Where people look.
        clock: Time.
        trace: The diary.
        limits: What the configuration allows.
        call_at: Arms a timer, as ``loop.call_at`` does.
        on_step: Told each step when its actions are done: the state before, the event, the state after.
        on_idle: Told when a conversation has ended, after all that this takes was done.
    """

    def __init__(
        self,
        *,
        uplink: Uplink,
        loudspeaker: Loudspeaker,
        voice: Voice,
        link: Link,
        indicator: Indicator,
        clock: Clock,
        trace: Trace,
        limits: Limits,
        call_at: Callable[[float, Callable[[], None]], Timer],
        on_step: Callable[[State, Event, State], None] = lambda _before, _event, _after: None,
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        self._uplink = uplink
        self._loudspeaker = loudspeaker
        self._voice = voice
        self._link = link
        self._indicator = indicator
        self._clock = clock
        self._trace = trace
        self._limits = limits
        self._call_at = call_at
        self._on_step = on_step
        self._on_idle = on_idle
        self._timer: Timer | None = None
        self._waiting: deque[Event] = deque()
        self._stepping = False
        self.state = State()
        """What is known now; read by ``status``, written here only."""

    def post(self, event: Event) -> None:
        """Take in an event; everything that follows from it is done when this returns.

        Events posted while another is being handled (an action may cause one) wait their turn.
        """
        self._waiting.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._waiting:
                self._handle(self._waiting.popleft())
        finally:
            self._stepping = False

    def status_line(self) -> str:
        """Return one true sentence about the state."""
        return status_line(self.state, self._limits)

    def use(self, limits: Limits) -> None:
        """Hold to what another configuration allows, from the next event on."""
        before = self.status_line()
        self._limits = limits
        if self.status_line() != before:
            self._indicator.show(self.status_line())

    @property
    def limits(self) -> Limits:
        """What the configuration allows."""
        return self._limits

    def _handle(self, event: Event) -> None:
        if isinstance(event, WakeWordDetected | SpeechStarted | StopRequested):
            # The core never asks: what was heard until now travels with the event.
            event = replace(event, unheard=self._loudspeaker.unheard())
        elif isinstance(event, LinkLost):
            event = replace(event, repeatable_from=self._uplink.repeatable_from())
        before = self.state
        self.state, actions = step(before, event, self._clock.now(), self._limits)
        if self.state.phase is not before.phase:
            name = type(event).__name__
            log.debug("%s -> %s on %s", before.phase.value, self.state.phase.value, name)
            self._trace.mark("state", before=before.phase.value, after=self.state.phase.value, on=name)
        if self.state.deadline != before.deadline:
            self._arm(self.state.deadline)
        for action in actions:
            self._perform(action)
        self._on_step(before, event, self.state)
        if self.state.phase is Phase.IDLE and before.phase is not Phase.IDLE:
            self._on_idle()

    def _arm(self, deadline: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._call_at(deadline, lambda: self.post(DeadlinePassed()))

    def _perform(self, action: Action) -> None:  # noqa: C901, PLR0912 - one case an action, nothing else
        match action:
            case PrepareLink():
                self._link.prepare()
            case AbandonLink():
                self._link.abandon()
            case OpenLink():
                self._link.open()
            case ReopenLink():
                self._link.reopen()
            case RenewLink():
                self._link.renew()
            case CloseLink():
                self._link.close()
            case OpenUplink(from_frame):
                self._uplink.open(from_frame)
            case RepeatUplink(from_frame):
                self._uplink.repeat(from_frame)
            case SilenceUplink():
                self._uplink.silence()
            case CloseUplink():
                self._uplink.close()
            case AcceptAudio(response_id):
                self._loudspeaker.accept(response_id)
            case RejectAudio(response_id):
                self._loudspeaker.reject(response_id)
            case FlushPlayback():
                self._loudspeaker.flush()
            case ConfigureTurns(interrupt):
                self._link.configure_turns(interrupt=interrupt)
            case TruncateItem(item_id, heard_ms):
                self._link.truncate(item_id, heard_ms)
            case CancelResponse(response_id):
                self._link.cancel(response_id)
            case AnswerCall(call_id, output):
                self._link.answer_call(call_id, output)
            case RequestResponse():
                self._link.ask()
            case SendText(text, verbatim):
                self._link.send_text(text, verbatim=verbatim)
            case Say(notice, asked):
                self._voice.say(notice, asked=asked)
            case PlayEarcon(earcon):
                self._loudspeaker.play_earcon(earcon)
            case Announce(line):
                self._indicator.show(line)
            case _:
                assert_never(action)

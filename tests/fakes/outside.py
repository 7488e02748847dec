"""The outside of a controller as a small model: it answers as the real parts do, and checks what it is asked to do.

Every port's call comes by ``Outside.take``; what must never be asked of a port is asserted there, at the call. The
service, the loudspeaker and the cards do nothing by themselves: a test lets them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from speakerd.controller import Controller
from speakerd.core.actions import Earcon
from speakerd.core.echo_path import BargeIn
from speakerd.core.events import (
    AudioStarted,
    Device,
    DeviceFound,
    DeviceLost,
    Event,
    FunctionCalled,
    Heard,
    LinkLost,
    LinkUp,
    MuteChanged,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SessionExpiring,
    SignInChanged,
    SpeechStarted,
    SpeechStopped,
    WakeWordDetected,
)
from speakerd.core.guess import GUESS_DECLINED
from speakerd.core.notices import ABOUT_SIGN_IN, AGAIN_AFTER_S
from speakerd.core.sign_in import SignInState
from speakerd.core.state import Limits, Phase
from speakerd.core.units import Frames, ItemId, Ms, ResponseId
from tests.fakes.ports import FakeClock, FakeIndicator, FakeLink, FakeLoudspeaker, FakeTrace, FakeUplink, FakeVoice

LONGEST_S = {Phase.IDLE: 0.0, Phase.LISTENING: 60.0, Phase.THINKING: 20.0, Phase.SPEAKING: 10.0, Phase.FOLLOW_UP: 8.0}
"""How long a conversation may stay in a phase in which nothing happens: the limits' own defaults."""


NEVER = Frames(10**9)
"""No frame before this one: nothing can be sent again."""


@dataclass
class Service:
    """The service's side of a session."""

    hears_speech: bool = False
    """Between its speech_started and speech_stopped."""

    answering: ResponseId | None = None
    """The response that is being made."""

    owes: bool = False
    """A response is to be made: the user has ended, or it was asked to."""

    overtaken: bool = False
    """The user has taken the word again before that response began, and has not spoken since."""

    unfinished: list[ResponseId] = field(default_factory=list)
    """Responses that were cut and whose end is still to be told."""


class Outside:
    """A controller with its surroundings."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.clock = FakeClock()
        self.ports = FakeUplink(), FakeLoudspeaker(), FakeVoice(), FakeLink(), FakeIndicator(), FakeTrace()
        for port in self.ports:
            port.on_call = self.take
        self.microphone, self.loudspeaker, voice, link, indicator, trace = self.ports
        self.calls: list[tuple] = []
        self.uplink = self.link = "closed"
        self.prepared = self.muted = self.playing = False
        self.declines_guesses = False
        self.untold = False
        self.guess_dropped_s = float("-inf")
        self.lost = set(Device)
        self.accepted: set[ResponseId] = set()
        self.announced: set[ResponseId] = set()
        self.service = Service()
        self.interrupts = limits.barge_in is BargeIn.SPEECH
        self.cut_by_itself: set[ResponseId] = set()
        self.last_said: tuple | None = None
        self.question: list[Frames] = []
        self.asked_again = False
        self.numbers = itertools.count(1)
        self.controller = Controller(
            uplink=self.microphone,
            loudspeaker=self.loudspeaker,
            voice=voice,
            link=link,
            indicator=indicator,
            clock=self.clock,
            trace=trace,
            limits=limits,
            call_at=self.clock.call_at,
        )
        for device in Device:
            self.find(device)

    @property
    def phase(self) -> Phase:
        return self.controller.state.phase

    def post(self, event: Event) -> list[str]:
        """Tell the controller something; return the names of what it asked of its ports, checked as a whole."""
        self.calls = []
        self.controller.post(event)
        self.check(event)
        return [call[0] for call in self.calls]

    # --- what is asked of the ports ----------------------------------------------------------------------------------

    def take(self, call: tuple) -> None:  # noqa: C901, PLR0912, PLR0915 - one case a call
        """Take in a port's call, and do what the real part does."""
        self.calls.append(call)
        match call:
            case ("uplink.open", _) | ("uplink.silence",):
                assert not self.muted, "the uplink was opened for a muted microphone"
                assert call[0] != "uplink.open" or Device.MICROPHONE not in self.lost, "opened without a microphone"
                self.uplink = "silence" if call == ("uplink.silence",) else "live"
                self.microphone.repeatable = Frames(0) if self.uplink == "live" else NEVER
            case ("uplink.close",):
                self.uplink, self.microphone.repeatable = "closed", NEVER
            case ("uplink.repeat", from_frame):
                self.check_repeated(from_frame)
            case ("link.prepare",):
                assert self.link == "closed", "a guess beside a session"
                assert not self.muted
                self.prepared = not self.declines_guesses
                if self.declines_guesses:
                    self.controller.post(LinkLost(GUESS_DECLINED))
            case ("link.abandon",):
                self.prepared, self.guess_dropped_s = False, self.clock.now()
            case ("link.open",) | ("link.reopen",):
                assert self.link == "closed", "a second session"
                assert not self.controller.state.over_budget
                self.link, self.prepared, self.service = "connecting", False, Service()
            case ("link.renew",):
                assert self.link == "up", "there is nothing to renew"
                assert not self.controller.state.over_budget
                self.link, self.service = "connecting", Service()
            case ("link.close",):
                self.link, self.prepared, self.service = "closed", False, Service()
            case ("configure_turns", interrupt):
                self.interrupts = interrupt
            case ("accept", response_id):
                self.accepted.add(response_id)
            case ("reject", response_id):
                self.accepted.discard(response_id)
            case ("earcon", _):
                self.untold = False
            case ("flush",):
                self.untold = False
                self.playing, self.loudspeaker.unheard_items = False, ()
            case ("truncate", _, heard_ms):
                assert not self.playing, "truncated while it still plays"
                assert heard_ms >= 0
            case ("cancel", response_id):
                assert response_id not in self.cut_by_itself, "the service had interrupted itself: this hits the next"
                self.cut_answer(response_id)
            case ("ask",):
                self.service.owes = self.link == "up"
            case ("say", notice, asked):
                self.untold = False
                self.check_said(notice, asked)

    def sign(self, state: SignInState, *, usable: bool) -> None:
        """An attempt to sign in ends; what was told of the sign-in is over when it worked."""
        if state is SignInState.OK and self.last_said is not None and self.last_said[0] in ABOUT_SIGN_IN:
            self.last_said = None
        self.post(SignInChanged(state, usable or state is SignInState.OK))

    def check_repeated(self, from_frame: Frames) -> None:
        """A question is asked again once, from its beginning, in a session that does not know it."""
        assert self.uplink == "live", "what was not let through is sent"
        assert self.link == "connecting", "asked again in a session that knows it"
        assert from_frame == self.question[0], "asked again from somewhere else than where the question begins"
        assert not self.asked_again, "asked again twice"
        self.asked_again = True

    def check_said(self, notice: object, asked: object) -> None:
        """The same sentence is not said twice in a row, unless the service was reached or a long time has passed.

        Who asks is told, too, what was said before to nobody in particular.
        """
        now_s = self.clock.now()
        if self.last_said is not None and self.last_said[0] is notice and not (asked and not self.last_said[2]):
            assert now_s - self.last_said[1] >= AGAIN_AFTER_S, f"{notice} was said twice in a row"
        self.last_said = (notice, now_s, asked)

    def check(self, event: Event) -> None:
        """Check what holds after every event."""
        names = [call[0] for call in self.calls]
        if self.phase is Phase.IDLE:
            assert (self.uplink, self.link) == ("closed", "closed"), "something is open at rest"
        else:
            assert not self.prepared, "a guess outlived its wake word"
        deaf = self.muted or Device.MICROPHONE in self.lost
        assert not (self.muted and self.uplink != "closed"), "muted, and something is sent"
        assert not (deaf and self.phase in (Phase.LISTENING, Phase.FOLLOW_UP)), "it waits for one it cannot hear"
        assert sum(name in ("say", "earcon") for name in names) <= 1, "two sounds for one event"
        if "truncate" in names:
            assert "flush" in names[: names.index("truncate")], "truncated before it was silent"
        if isinstance(event, SpeechStarted):
            assert not (self.interrupts and "cancel" in names), "a cancel after the service's own interruption"
        self.close_question()
        if self.phase in (Phase.IDLE, Phase.FOLLOW_UP):
            assert not self.untold, "a reply broke off, and nobody was told"

    # --- what the parts do -------------------------------------------------------------------------------------------

    def come_up(self) -> None:
        self.link = "up"
        self.last_said = None
        self.post(LinkUp())

    def lose_link(self, code: str) -> None:
        self.link, self.service = "closed", Service()
        self.post(LinkLost(code))

    def expire(self) -> None:
        self.post(SessionExpiring())

    def begin_speech(self) -> None:
        """The service hears the user, and interrupts itself if it may."""
        self.service.hears_speech, self.service.owes, self.service.overtaken = True, False, False
        answering = self.service.answering
        if answering is not None and self.interrupts:
            self.cut_by_itself.add(answering)
            self.cut_answer(answering)
        if self.phase is Phase.SPEAKING:
            self.forget_question()
        self.question.append(Frames(1000 * next(self.numbers)))
        self.post(SpeechStarted(from_frame=self.question[-1]))

    def close_question(self) -> None:
        """At rest, or listening for another, there is none under way."""
        if self.phase in (Phase.IDLE, Phase.FOLLOW_UP):
            self.forget_question()

    def forget_question(self) -> None:
        """It is answered, or given up: it must not be asked again."""
        self.question, self.asked_again = [], False

    def end_speech(self) -> None:
        self.service.hears_speech, self.service.owes = False, self.service.answering is None
        assert self.service.owes or self.phase is not Phase.LISTENING, (
            "an answer in the way of the one to what was said"
        )
        self.post(SpeechStopped())

    def begin_answer(self) -> None:
        response_id = ResponseId(f"resp_{next(self.numbers)}")
        service = self.service
        overtaken, service.overtaken = service.overtaken, False
        service.answering, service.owes = response_id, False
        self.post(ResponseCreated(response_id))
        assert not (overtaken and response_id in self.accepted), "it answers what was asked before the wake word"

    def hear_wake_word(self, model: str) -> None:
        if self.phase is Phase.THINKING and not self.muted and Device.MICROPHONE not in self.lost:
            self.service.overtaken = self.service.owes
            self.forget_question()
        speaking = self.phase is Phase.SPEAKING
        self.post(WakeWordDetected(model, 0.9, Frames(480_000)))
        if speaking and self.phase is Phase.LISTENING:
            self.forget_question()  # what was said over the answer is none

    def send_audio(self, heard_ms: int) -> None:
        """Sound of the answer comes in; behind a closed gate it is dropped."""
        response_id = self.service.answering
        if response_id not in self.accepted or Device.LOUDSPEAKER in self.lost:
            return
        self.playing = True
        self.loudspeaker.unheard_items = (Heard(ItemId(f"item_{response_id}"), Ms(heard_ms)),)
        if response_id not in self.announced:
            self.announced.add(response_id)
            self.forget_question()
            self.post(AudioStarted(response_id))

    def call(self, name: str) -> None:
        self.post(FunctionCalled(self.service.answering, f"call_{next(self.numbers)}", name, "{}"))

    def end_answer(self, status: str) -> None:
        response_id, self.service.answering = self.service.answering, None
        code = "insufficient_quota" if status == "failed" else None
        self.untold = status == "failed" and response_id in self.accepted
        self.post(ResponseDone(response_id, status, code))

    def cut_answer(self, response_id: ResponseId) -> None:
        if self.service.answering == response_id:
            self.service.answering = None
            self.service.unfinished.append(response_id)

    def tell_cut(self) -> None:
        self.post(ResponseDone(self.service.unfinished.pop(0), "cancelled"))

    def drain(self) -> None:
        """What was received has come out of the loudspeaker."""
        self.playing, self.loudspeaker.unheard_items = False, ()
        self.post(PlaybackDrained())

    def mute(self, *, muted: bool) -> None:
        self.muted = muted
        self.post(MuteChanged(muted))

    def lose(self, device: Device) -> None:
        self.lost.add(device)
        if device is Device.LOUDSPEAKER:
            self.playing, self.loudspeaker.unheard_items = False, ()
        self.post(DeviceLost(device))

    def find(self, device: Device) -> None:
        self.lost.discard(device)
        self.post(DeviceFound(device))

    # --- time --------------------------------------------------------------------------------------------------------

    def pass_time(self, span_s: float) -> None:
        """Let time pass; every timer that is armed meanwhile fires at its moment."""
        end_s = self.clock.time_s + span_s
        while (timer := self.clock.armed) is not None and timer.when <= end_s:
            self.calls = []
            unheard = self.link == "connecting"
            self.clock.advance(max(0.0, timer.when - self.clock.time_s))
            assert not (unheard and ("earcon", Earcon.END) in self.calls), "a good end, and nobody could hear the user"
            self.close_question()
        self.clock.time_s = end_s

    def fall_silent(self) -> float:
        """Let nothing more happen: nobody speaks, the service is mute, what was received is heard. Return how long it
        took to come to rest.

        Each phase must end by itself in its own time.
        """
        begun_s = self.clock.time_s
        if self.phase is not Phase.IDLE and (self.playing or self.controller.state.audible):
            self.drain()
        self.pass_time(LONGEST_S[self.phase])
        assert self.phase is Phase.IDLE, f"wedged in {self.controller.state}"
        return self.clock.time_s - begun_s

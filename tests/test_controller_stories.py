"""The real controller at ports that answer as the real parts do, driven through evenings that nobody wrote.

What must never be asked of a port is asserted in ``tests/fakes/outside.py``, at the call.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.events import (
    BudgetChanged,
    Device,
    EchoMeasured,
    FunctionCalled,
    MicrophoneSilent,
    PauseHeard,
    ResponseDone,
    SessionReduced,
    SpeechStopped,
    StopRequested,
    WakeWordApproached,
)
from speakerd.core.functions import END_CONVERSATION, WAIT_FOR_USER
from speakerd.core.notices import Notice
from speakerd.core.sign_in import SignInState
from speakerd.core.state import Limits, LinkState, Phase
from speakerd.core.units import ResponseId
from tests.fakes.outside import LONGEST_S, Outside

CODES = ["link-lost", "link-refused", "link-closed-1001", "link-http-401", "link-http-429", "session-expired"]
AT_REST_WITHIN_S = max(LONGEST_S.values())


def hear_wake_word(outside: Outside, model: str = "hey_jarvis") -> None:
    outside.hear_wake_word(model)


STORY = (
    hear_wake_word,
    lambda outside: outside.come_up(),
    lambda outside: outside.begin_speech(),
    lambda outside: outside.end_speech(),
    lambda outside: outside.begin_answer(),
    lambda outside: outside.send_audio(0),
    lambda outside: outside.end_answer("completed"),
    lambda outside: outside.drain(),
)
"""A conversation as it should be; an evening begins somewhere in it."""


OLD = ResponseId("resp_0")
STALE = st.sampled_from(
    [
        SpeechStopped(),
        ResponseDone(OLD, "cancelled"),
        ResponseDone(OLD, "completed"),
        FunctionCalled(OLD, "call_0", END_CONVERSATION, "{}"),
    ]
)
"""What a service may say of a response that is long over."""


def check_it_works(outside: Outside) -> None:
    """From rest, with everything in its place, a wake word leads to an answer that is heard to its end."""
    outside.mute(muted=False)
    outside.post(BudgetChanged(spent=False))
    outside.sign(SignInState.OK, usable=True)
    for device in Device:
        outside.find(device)
    asked = len(outside.ports[3].calls)
    hear_wake_word(outside)
    assert outside.ports[3].calls[asked:] == [("link.open",)]
    assert outside.uplink == "live"
    for act in STORY[1:-1]:
        act(outside)
    assert outside.phase is Phase.SPEAKING
    STORY[-1](outside)
    window = Phase.FOLLOW_UP if outside.limits.max_turns > 1 else Phase.IDLE
    assert outside.phase is window
    outside.pass_time(max(0.0, LONGEST_S[window] - 0.1))
    assert outside.phase is window
    outside.fall_silent()


def test_a_question_survives_the_network():
    """Lost in mid-utterance it is asked again; lost again behind its end it is told; the next one works."""
    outside = Outside(Limits())
    for act in STORY[:3]:
        act(outside)
    began = outside.question[0]
    outside.lose_link("link-lost")
    assert ("uplink.repeat", began) in outside.calls
    assert (outside.phase, outside.link, outside.uplink) == (Phase.LISTENING, "connecting", "live")
    outside.pass_time(outside.limits.ask_again_s - 0.1)
    for act in STORY[1:4]:
        act(outside)
    outside.lose_link("link-lost")
    assert ("say", Notice.OFFLINE, True) in outside.calls
    check_it_works(outside)


def test_a_network_that_stays_away_is_told_in_time():
    """The user hears of it once the new session has had its time to come up."""
    outside = Outside(Limits())
    for act in STORY[:4]:
        act(outside)
    outside.lose_link("link-timeout")
    outside.pass_time(outside.limits.ask_again_s)
    assert ("say", Notice.OFFLINE, True) in outside.calls
    check_it_works(outside)


def test_what_was_said_over_an_answer_is_not_asked_again_behind_a_wake_word():
    """The question begins behind the wake word that cut the answer."""
    outside = Outside(Limits(barge_in=BargeIn.WAKE_WORD))
    for act in STORY[:6]:
        act(outside)
    outside.begin_speech()
    outside.end_speech()
    hear_wake_word(outside)
    outside.begin_speech()
    began = outside.question[-1]
    outside.lose_link("link-lost")
    assert ("uplink.repeat", began) in outside.calls


class Evening(RuleBasedStateMachine):
    """People, the service and the cards do what they can do, in any order."""

    @initialize(
        beginning=st.integers(0, len(STORY)),
        barge_in=st.sampled_from(BargeIn),
        measured=st.booleans(),
        max_turns=st.sampled_from([1, 2, 20]),
    )
    def begin(self, beginning, barge_in, measured, max_turns):
        limits = Limits(barge_in=barge_in, barge_in_measured=measured, max_turns=max_turns)
        self.outside = Outside(limits)
        for act in STORY[:beginning]:
            act(self.outside)

    @rule(steps=st.integers(1, len(STORY)))
    def go_on(self, steps):
        """What should come next comes."""
        for _ in range(steps):
            self.take_next_step()

    def take_next_step(self):
        outside, service = self.outside, self.outside.service
        if outside.phase is Phase.IDLE:
            hear_wake_word(outside)
        elif outside.link == "connecting":
            outside.come_up()
        elif outside.playing and service.answering is not None:
            outside.end_answer("completed")
        elif outside.playing:
            outside.drain()
        elif service.answering is not None:
            outside.send_audio(0)
        elif service.owes:
            outside.begin_answer()
        elif service.hears_speech:
            outside.end_speech()
        elif outside.link == "up":
            outside.begin_speech()

    # --- people ------------------------------------------------------------------------------------------------------

    @rule(score=st.floats(0.1, 0.45), declined=st.booleans())
    def nearly_say_the_wake_word(self, score, declined):
        """A connection is begun where one may follow, unless a wrong guess was dropped a moment ago."""
        outside, state = self.outside, self.outside.controller.state
        outside.declines_guesses = declined
        waits = outside.clock.now() < outside.guess_dropped_s + outside.limits.prepare_again_s
        useless = outside.muted or outside.lost or state.over_budget or not state.can_sign
        obstacle = useless or outside.prepared
        asked = outside.post(WakeWordApproached(score))
        assert ("link.prepare" in asked) == (state.phase is Phase.IDLE and not waits and not obstacle)

    @rule(model=st.sampled_from(["hey_jarvis", "request"]))
    def call_it(self, model):
        hear_wake_word(self.outside, model)

    @rule()
    def wait_behind_the_wake_word(self):
        self.outside.post(PauseHeard())

    @rule()
    def stop(self):
        self.outside.post(StopRequested())
        assert self.outside.phase is Phase.IDLE
        assert not self.outside.playing

    @rule(muted=st.booleans())
    def turn_the_switch(self, muted):
        self.outside.mute(muted=muted)

    @rule(spent=st.booleans())
    def spend(self, spent):
        self.outside.post(BudgetChanged(spent=spent))

    @rule(state=st.sampled_from(SignInState), usable=st.booleans())
    def sign(self, state, usable):
        self.outside.sign(state, usable=usable)

    # --- the service -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.outside.link == "connecting")
    @rule()
    def come_up(self):
        self.outside.come_up()

    @precondition(lambda self: self.outside.link != "closed")
    @rule(code=st.sampled_from(CODES))
    def lose_the_link(self, code):
        self.outside.lose_link(code)

    @precondition(lambda self: self.outside.link == "up")
    @rule()
    def grow_old(self):
        self.outside.expire()

    @precondition(lambda self: self.outside.link == "up")
    @rule()
    def refuse_the_session(self):
        self.outside.post(SessionReduced("session-refused"))

    @precondition(lambda self: self.outside.link != "closed" and not self.outside.service.hears_speech)
    @rule()
    def begin_to_speak(self):
        """A service may hear before it confirms the session."""
        self.outside.begin_speech()

    @precondition(lambda self: self.outside.service.hears_speech)
    @rule()
    def end_the_sentence(self):
        self.outside.end_speech()

    @precondition(lambda self: self.outside.service.owes)
    @rule()
    def begin_to_answer(self):
        self.outside.begin_answer()

    @precondition(lambda self: self.outside.service.answering is not None)
    @rule(heard_ms=st.integers(0, 9000))
    def send_audio(self, heard_ms):
        self.outside.send_audio(heard_ms)

    @precondition(lambda self: self.outside.service.answering is not None)
    @rule(name=st.sampled_from([END_CONVERSATION, WAIT_FOR_USER, "fly"]))
    def call_a_function(self, name):
        self.outside.call(name)

    @precondition(lambda self: self.outside.service.answering is not None)
    @rule(status=st.sampled_from(["completed", "failed", "incomplete"]))
    def end_the_answer(self, status):
        self.outside.end_answer(status)

    @precondition(lambda self: self.outside.link == "up" and self.outside.service.answering is None)
    @rule()
    def answer_unasked(self):
        self.outside.begin_answer()

    @precondition(lambda self: self.outside.link == "up")
    @rule(event=STALE)
    def tell_what_nobody_waits_for(self, event):
        self.outside.post(event)

    @precondition(lambda self: self.outside.service.unfinished)
    @rule()
    def tell_late_that_it_was_cut(self):
        self.outside.tell_cut()

    # --- the sound path ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.outside.playing)
    @rule()
    def play_to_the_end(self):
        self.outside.drain()

    @rule(device=st.sampled_from(Device))
    def pull_a_card(self, device):
        self.outside.lose(device)

    @rule(device=st.sampled_from(Device))
    def put_it_back(self, device):
        self.outside.find(device)

    @rule(silent=st.booleans())
    def switch_the_microphone(self, silent):
        self.outside.post(MicrophoneSilent(silent=silent))

    @rule(choice=st.sampled_from(BargeIn))
    def measure_the_echo(self, choice):
        self.outside.post(EchoMeasured(EchoFigures(), choice))

    # --- time --------------------------------------------------------------------------------------------------------

    @rule(span_s=st.sampled_from([0.02, 1.0, 5.0, 9.0, 30.0, 700.0]))
    def wait(self, span_s):
        self.outside.pass_time(span_s)

    @rule()
    def leave_it_alone(self):
        assert self.outside.fall_silent() <= AT_REST_WITHIN_S

    @invariant()
    def the_link_is_what_the_state_says(self):
        if hasattr(self, "outside"):
            state = self.outside.controller.state
            assert (state.link is LinkState.DOWN) == (self.outside.link == "closed")
            assert (state.link is LinkState.UP) == (self.outside.link == "up")
            assert state.prepared == self.outside.prepared

    @invariant()
    def something_will_happen(self):
        """Away from rest there is a timer, or sound whose end will be told."""
        if hasattr(self, "outside") and self.outside.phase is not Phase.IDLE:
            assert self.outside.clock.armed is not None or self.outside.playing

    def teardown(self):
        if hasattr(self, "outside"):
            assert self.outside.fall_silent() <= AT_REST_WITHIN_S
            check_it_works(self.outside)


TestEvening = Evening.TestCase
TestEvening.settings = settings(max_examples=400, stateful_step_count=40)

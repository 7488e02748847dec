"""The table as a whole: every cell, and properties that start from a story."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.core.actions import (
    AbandonLink,
    CancelResponse,
    CloseLink,
    CloseUplink,
    FlushPlayback,
    OpenLink,
    OpenUplink,
    PlayEarcon,
    PrepareLink,
    RenewLink,
    ReopenLink,
    RepeatUplink,
    Say,
    SilenceUplink,
    TruncateItem,
)
from speakerd.core.conversation import EVENT_TYPES, TRANSITIONS, step
from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.events import (
    AudioStarted,
    BudgetChanged,
    DeadlinePassed,
    Device,
    DeviceFound,
    DeviceLost,
    EchoMeasured,
    FunctionCalled,
    Heard,
    LinkLost,
    LinkUp,
    MicrophoneSilent,
    MuteChanged,
    PauseHeard,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SessionExpiring,
    SessionReduced,
    SignInChanged,
    SpeechStarted,
    SpeechStopped,
    StopRequested,
    TextGiven,
    WakeWordApproached,
    WakeWordDetected,
)
from speakerd.core.functions import END_CONVERSATION, WAIT_FOR_USER
from speakerd.core.notices import Notice
from speakerd.core.sign_in import SignInState
from speakerd.core.state import Phase
from speakerd.core.units import Frames, ItemId, Ms
from tests.fakes.table import FOLLOW_UP, LIMITS, R1, R2, READY, STORIES, kinds, play


class TestTable:
    def test_every_cell_is_written(self):
        """Each phase has a cell for each kind of event, and no other."""
        assert set(TRANSITIONS) == set(Phase)
        for row in TRANSITIONS.values():
            assert set(row) == set(EVENT_TYPES)

    @pytest.mark.parametrize("phase", Phase)
    def test_stories_reach_every_phase(self, phase):
        """The stories used here lead where they say."""
        assert play(*STORIES[phase])[0].phase is phase


@pytest.mark.parametrize(
    "end",
    [
        (ResponseDone(R1, "completed"), PlaybackDrained()),
        (StopRequested(),),
        (LinkLost("link-lost"), PlaybackDrained(), EchoMeasured(EchoFigures(), BargeIn.SPEECH)),
    ],
)
def test_a_microphone_that_became_deaf_in_an_answer_is_told_behind_it(end):
    """However it ends, and once."""
    state, told = play(*FOLLOW_UP[:-2], MicrophoneSilent(silent=True))[0], []
    for event in (*end, MicrophoneSilent(silent=True), StopRequested(), SessionExpiring()):
        state, actions = step(state, event, 100.0, LIMITS)
        told += [action for action in actions if action == Say(Notice.DEAF, asked=False)]
        if event is end[-1]:
            assert len(told) == 1
    assert len(told) == 1


# --- properties ------------------------------------------------------------------------------------------------------

HEARDS = st.lists(st.builds(Heard, st.just(ItemId("item_1")), st.integers(0, 9000).map(Ms)), max_size=2).map(tuple)
FRAMES = st.one_of(st.none(), st.integers(0, 10**7).map(Frames))
FUNCTIONS = [END_CONVERSATION, WAIT_FOR_USER, "fly"]
RESPONSES = st.sampled_from([R1, R2])
EVENTS = st.one_of(
    st.just(WakeWordApproached(0.3)),
    st.builds(WakeWordDetected, st.just("w"), st.just(1.0), st.integers(0, 10**7).map(Frames), HEARDS),
    st.builds(TextGiven, st.just("Dinner is ready."), st.booleans()),
    st.just(PauseHeard()),
    st.builds(StopRequested, HEARDS),
    st.builds(MuteChanged, st.booleans()),
    st.builds(MicrophoneSilent, st.booleans()),
    st.builds(EchoMeasured, st.just(EchoFigures()), st.sampled_from(BargeIn)),
    st.just(LinkUp()),
    st.builds(LinkLost, st.sampled_from(["link-lost", "link-http-401"]), FRAMES),
    st.just(SessionReduced("session-refused")),
    st.just(SessionExpiring()),
    st.builds(SpeechStarted, HEARDS, FRAMES),
    st.just(SpeechStopped()),
    st.builds(ResponseCreated, RESPONSES),
    st.builds(FunctionCalled, RESPONSES, st.just("call_1"), st.sampled_from(FUNCTIONS), st.just("{}")),
    st.builds(AudioStarted, RESPONSES),
    st.builds(ResponseDone, RESPONSES, st.sampled_from(["completed", "cancelled", "failed", "incomplete"])),
    st.builds(BudgetChanged, st.booleans()),
    st.builds(SignInChanged, st.sampled_from(SignInState), st.booleans()),
    st.just(PlaybackDrained()),
    st.builds(DeviceLost, st.sampled_from(Device)),
    st.builds(DeviceFound, st.sampled_from(Device)),
    st.just(DeadlinePassed()),
)
PREFIXES = st.sampled_from([FOLLOW_UP[:n] for n in range(len(FOLLOW_UP) + 1)])


class Gates:
    """What the actions have opened, kept beside the state."""

    def __init__(self):
        self.uplink = False
        self.link = False
        self.prepared = False

    def perform(self, actions):
        for action in actions:
            match action:
                case OpenUplink() | SilenceUplink():
                    self.uplink = True
                case RepeatUplink():
                    assert self.uplink, "what was not let through is sent again"
                case CloseUplink():
                    self.uplink = False
                case PrepareLink():
                    assert not self.link, "a guess beside a link"
                    self.prepared = True
                case AbandonLink():
                    self.prepared = False
                case OpenLink() | ReopenLink():
                    assert not self.link, "a second link was opened"
                    self.link, self.prepared = True, False
                case RenewLink():
                    assert self.link, "there is nothing to renew"
                case CloseLink():
                    self.link = False


@settings(max_examples=600, deadline=None)
@given(PREFIXES, st.lists(EVENTS, max_size=12), st.sampled_from(BargeIn))
def test_invariants_hold_from_any_point_of_a_story(prefix, events, barge_in):
    """Whatever happens: nothing is open at rest, nothing waits without a deadline, a truncation follows a flush."""
    limits = replace(LIMITS, barge_in=barge_in, barge_in_measured=True)
    gates, state, now = Gates(), READY, 0.0
    for event in (*prefix, *events):
        now += 1.0
        before = state
        state, actions = step(state, event, now, limits)
        if isinstance(event, LinkLost):
            gates.link = False
        gates.perform(actions)
        if RepeatUplink in kinds(actions):
            assert before.phase in (Phase.LISTENING, Phase.THINKING)
            assert (state.phase, state.asked_again, before.asked_again) == (Phase.LISTENING, True, False)
            assert kinds(actions).index(ReopenLink) < kinds(actions).index(RepeatUplink)
        if state.phase is Phase.IDLE:
            assert not gates.uplink
            assert not gates.link
            assert (state.deadline is not None) == gates.prepared == state.prepared
            assert state.turn == 0
        else:
            assert state.turn >= 1
            assert state.deadline is not None or state.audible
        assert not state.by_text or state.phase in (Phase.THINKING, Phase.SPEAKING)
        if state.by_text or (state.muted and state.phase is not Phase.IDLE):
            assert not gates.uplink, "nobody who writes, or is muted, is listened to"
        if state.muted or state.over_budget:
            assert PrepareLink not in kinds(actions)
        assert sum(isinstance(action, Say | PlayEarcon) for action in actions) <= 1
        if TruncateItem in kinds(actions):
            assert FlushPlayback in kinds(actions)
            assert kinds(actions).index(FlushPlayback) < kinds(actions).index(TruncateItem)
        if isinstance(event, SpeechStarted) and (before.barge_in or barge_in) is BargeIn.SPEECH:
            assert CancelResponse not in kinds(actions)
        if isinstance(event, StopRequested):
            assert state.phase is Phase.IDLE

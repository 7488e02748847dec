"""The table, cell by cell where it matters, and as a whole by properties that start from a story."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.core.actions import (
    AcceptAudio,
    Announce,
    CancelResponse,
    CloseLink,
    CloseUplink,
    Earcon,
    FlushPlayback,
    OpenLink,
    OpenUplink,
    PlayEarcon,
    RejectAudio,
    SilenceUplink,
    TruncateItem,
)
from speakerd.core.conversation import EVENT_TYPES, TRANSITIONS, step
from speakerd.core.events import (
    AudioStarted,
    DeadlinePassed,
    Device,
    DeviceFound,
    DeviceLost,
    Heard,
    LinkLost,
    LinkUp,
    MuteChanged,
    PauseHeard,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    StopRequested,
    WakeWordDetected,
)
from speakerd.core.state import Limits, LinkState, Phase, State, status_line
from speakerd.core.units import Frames, ItemId, Ms, ResponseId

LIMITS = Limits()
HALF_DUPLEX = replace(LIMITS, barge_in_by_speech=False)
READY = State(lost=frozenset())
WAKE = WakeWordDetected("hey_jarvis", 0.9, Frames(48_000))
R1, R2 = ResponseId("resp_1"), ResponseId("resp_2")
HEARD = Heard(ItemId("item_1"), Ms(1200))


def play(*events, state=READY, limits=LIMITS, now=100.0):
    """Run a story; return the last state and the actions of the last event."""
    actions = ()
    for event in events:
        state, actions = step(state, event, now, limits)
    return state, actions


def kinds(actions):
    return [type(action) for action in actions]


LISTENING = (WAKE,)
CONNECTED = (*LISTENING, LinkUp())
THINKING = (*CONNECTED, SpeechStarted(), SpeechStopped())
ANSWERED = (*THINKING, ResponseCreated(R1))
SPEAKING = (*ANSWERED, AudioStarted(R1))
FOLLOW_UP = (*SPEAKING, ResponseDone(R1, "completed"), PlaybackDrained())
STORIES = {
    Phase.IDLE: (),
    Phase.LISTENING: CONNECTED,
    Phase.THINKING: THINKING,
    Phase.SPEAKING: SPEAKING,
    Phase.FOLLOW_UP: FOLLOW_UP,
}


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


class TestWaking:
    def test_wake_opens_the_uplink_before_the_link(self):
        """The wake word opens the uplink 300 ms before its detection, then the link; it makes no sound yet."""
        state, actions = play(WAKE)
        assert state.phase is Phase.LISTENING
        assert state.link is LinkState.CONNECTING
        assert actions == (OpenUplink(Frames(48_000 - 7_200)), OpenLink(), Announce("in conversation, turn 1"))

    def test_a_user_who_waits_is_answered_by_a_sound(self):
        """The wake sound comes when the user pauses behind the word, and in no other phase."""
        assert play(*LISTENING, PauseHeard())[1] == (PlayEarcon(Earcon.WAKE),)
        for story in (THINKING, SPEAKING, FOLLOW_UP, ()):
            assert play(*story, PauseHeard())[1] == ()

    def test_preroll_does_not_reach_before_the_start(self):
        """A wake word right after the start begins at frame 0."""
        assert OpenUplink(Frames(0)) in play(replace(WAKE, position_frames=Frames(100)))[1]

    @pytest.mark.parametrize("state", [replace(READY, muted=True), State()])
    def test_no_wake_when_muted_or_without_cards(self, state):
        """Muted, or before both cards are open, a wake word does nothing."""
        assert play(WAKE, state=state) == (state, ())

    def test_second_wake_word_while_connecting_changes_nothing(self):
        """Two wake words in a row open one link."""
        before, _ = play(*LISTENING)
        assert play(WAKE, state=before) == (before, ())

    def test_second_wake_word_gives_more_time(self):
        """Saying it again before speaking starts the wait anew."""
        before, _ = play(*CONNECTED)
        after, actions = step(before, WAKE, 105.0, LIMITS)
        assert (after.deadline, actions) == (105.0 + LIMITS.no_speech_s, ())

    def test_second_wake_word_within_an_utterance_is_part_of_it(self):
        """While the user speaks, the wake word is just speech."""
        before, _ = play(*CONNECTED, SpeechStarted())
        assert play(WAKE, state=before) == (before, ())

    def test_nothing_said(self):
        """When nothing is said, everything is closed again."""
        state, actions = play(*CONNECTED, DeadlinePassed())
        assert state.phase is Phase.IDLE
        assert kinds(actions) == [CloseUplink, CloseLink, PlayEarcon, Announce]

    def test_link_fails_to_come_up(self):
        """A service that cannot be reached is heard and seen."""
        state, actions = play(*LISTENING, LinkLost("link-refused"))
        assert PlayEarcon(Earcon.ERROR) in actions
        assert status_line(state, LIMITS).endswith("the service failed last time: link-refused")

    def test_trouble_ends_when_the_link_is_up(self):
        """The next session that opens clears the trouble."""
        state, _ = play(*LISTENING, LinkLost("link-refused"), WAKE, LinkUp())
        assert state.trouble is None


class TestTurns:
    def test_a_whole_turn(self):
        """Speech, answer, quiet: then the follow-up window runs from the quiet."""
        state, _ = play(*FOLLOW_UP)
        assert (state.phase, state.deadline) == (Phase.FOLLOW_UP, 100.0 + LIMITS.follow_up_s)

    def test_follow_up_speech_is_the_next_turn(self):
        """Speaking in the window is turn 2."""
        state, actions = play(*FOLLOW_UP, SpeechStarted())
        assert (state.phase, state.turn) == (Phase.LISTENING, 2)
        assert actions == (Announce("in conversation, turn 2"),)

    def test_follow_up_ends(self):
        """Silence in the window ends the conversation."""
        assert play(*FOLLOW_UP, DeadlinePassed())[0].phase is Phase.IDLE

    def test_no_follow_up_when_switched_off(self):
        """With follow_up_s 0 a reply ends the conversation."""
        assert play(*FOLLOW_UP, limits=replace(LIMITS, follow_up_s=0))[0].phase is Phase.IDLE

    def test_turn_budget(self):
        """After max_turns the conversation ends with the reply."""
        assert play(*FOLLOW_UP, limits=replace(LIMITS, max_turns=1))[0].phase is Phase.IDLE

    def test_half_duplex_streams_silence_while_it_speaks(self):
        """Without barge-in by speech the service hears silence during a reply, and the room after it."""
        assert SilenceUplink() in play(*SPEAKING, limits=HALF_DUPLEX)[1]
        assert OpenUplink(None) in play(*FOLLOW_UP, limits=HALF_DUPLEX)[1]

    def test_user_goes_on_while_we_think(self):
        """Speech before the answer began withdraws it; it is the same turn."""
        state, actions = play(*ANSWERED, SpeechStarted())
        assert (state.phase, state.turn) == (Phase.LISTENING, 1)
        assert actions == (FlushPlayback(), RejectAudio(R1))

    def test_user_goes_on_before_the_response_is_known(self):
        """A response that is announced while the user speaks stays unheard."""
        state, actions = play(*THINKING, SpeechStarted(), ResponseCreated(R1))
        assert (state.phase, actions) == (Phase.LISTENING, ())

    def test_response_without_speech_events(self):
        """A response that comes while we wait for speech is accepted."""
        state, actions = play(*CONNECTED, ResponseCreated(R1))
        assert (state.phase, actions) == (Phase.THINKING, (AcceptAudio(R1),))

    def test_audio_of_another_response_is_not_speaking(self):
        """Only the accepted response makes us speak."""
        assert play(*ANSWERED, AudioStarted(R2))[0].phase is Phase.THINKING

    def test_second_response_in_a_turn_is_played(self):
        """A response after the first (a tool was called) is accepted while the first still plays."""
        state, actions = play(*SPEAKING, ResponseDone(R1, "completed"), ResponseCreated(R2))
        assert (state.response_id, state.deadline, actions) == (R2, None, (AcceptAudio(R2),))
        state, _ = play(AudioStarted(R2), PlaybackDrained(), state=state)
        assert state.phase is Phase.SPEAKING

    def test_second_response_after_quiet_has_a_deadline(self):
        """A response announced into silence must become audible in time."""
        state, _ = play(*SPEAKING, PlaybackDrained(), ResponseCreated(R2))
        assert state.deadline == 100.0 + LIMITS.stall_s

    def test_reply_never_comes(self):
        """A service that does not answer is heard."""
        state, actions = play(*THINKING, DeadlinePassed())
        assert (state.phase, state.trouble) == (Phase.IDLE, "reply-timeout")
        assert PlayEarcon(Earcon.ERROR) in actions

    def test_reply_stalls(self):
        """A reply that runs dry for too long ends the conversation."""
        state, _ = play(*SPEAKING, PlaybackDrained(), DeadlinePassed())
        assert (state.phase, state.trouble) == (Phase.IDLE, "reply-stalled")

    def test_reply_ends_after_it_was_played(self):
        """response.done after the last sample was heard opens the follow-up window."""
        assert play(*SPEAKING, PlaybackDrained(), ResponseDone(R1, "completed"))[0].phase is Phase.FOLLOW_UP

    def test_done_of_another_response_does_not_matter(self):
        """A late response.done does not end the current reply."""
        for story in (ANSWERED, SPEAKING):
            before, _ = play(*story)
            assert play(ResponseDone(R2, "cancelled"), state=before) == (before, ())

    def test_response_without_audio(self):
        """A response that says nothing opens the follow-up window."""
        assert play(*ANSWERED, ResponseDone(R1, "completed"))[0].phase is Phase.FOLLOW_UP

    def test_failed_response_is_heard(self):
        """A failed response sounds the error once and leaves its code."""
        state, actions = play(*ANSWERED, ResponseDone(R1, "failed", "insufficient_quota"))
        assert state.trouble == "insufficient_quota"
        assert actions == (OpenUplink(None), PlayEarcon(Earcon.ERROR))

    def test_failed_response_that_ends_the_conversation_sounds_once(self):
        """With no follow-up, the error takes the place of the end sound."""
        _, actions = play(*ANSWERED, ResponseDone(R1, "failed"), limits=replace(LIMITS, follow_up_s=0))
        assert [a for a in actions if isinstance(a, PlayEarcon)] == [PlayEarcon(Earcon.ERROR)]

    def test_cancelled_response_keeps_waiting(self):
        """A response that the service cancels is followed by another one."""
        assert play(*ANSWERED, ResponseDone(R1, "cancelled"))[0].phase is Phase.THINKING

    def test_quiet_in_the_window_counts_anew(self):
        """Late audio in the follow-up window moves its end."""
        before, _ = play(*FOLLOW_UP)
        assert step(before, PlaybackDrained(), 103.0, LIMITS)[0].deadline == 103.0 + LIMITS.follow_up_s


class TestInterruptions:
    def test_barge_in_by_speech(self):
        """Speech flushes first, then truncates at what was heard, and never cancels."""
        state, actions = play(*SPEAKING, SpeechStarted((HEARD,)))
        assert (state.phase, state.user_speaking, state.turn) == (Phase.LISTENING, True, 2)
        assert actions[:3] == (FlushPlayback(), RejectAudio(R1), TruncateItem(HEARD.item_id, HEARD.heard_ms))
        assert CancelResponse not in kinds(actions)

    def test_speech_during_a_reply_without_barge_in(self):
        """Half duplex: what the service takes for speech during a reply does not matter."""
        before, _ = play(*SPEAKING, limits=HALF_DUPLEX)
        assert play(SpeechStarted((HEARD,)), state=before, limits=HALF_DUPLEX) == (before, ())

    def test_barge_in_by_wake_word(self):
        """The wake word cancels the response by its id, truncates and listens at once."""
        state, actions = play(*SPEAKING, replace(WAKE, unheard=(HEARD,)))
        assert (state.phase, state.turn) == (Phase.LISTENING, 2)
        assert kinds(actions)[:5] == [FlushPlayback, RejectAudio, CancelResponse, TruncateItem, OpenUplink]

    def test_no_cancel_of_a_finished_response(self):
        """A reply that only still plays is truncated, not cancelled."""
        _, actions = play(*SPEAKING, ResponseDone(R1, "completed"), replace(WAKE, unheard=(HEARD,)))
        assert CancelResponse not in kinds(actions)

    def test_wake_word_while_muted_does_not_cut(self):
        """A muted speaker finishes its reply."""
        before, _ = play(*SPEAKING, MuteChanged(muted=True))
        assert play(WAKE, state=before) == (before, ())

    @pytest.mark.parametrize("story", [CONNECTED, THINKING, SPEAKING, FOLLOW_UP])
    def test_stop_always_works(self, story):
        """Stop ends the conversation in every phase."""
        state, actions = play(*story, StopRequested())
        assert state.phase is Phase.IDLE
        assert {CloseUplink, CloseLink} <= set(kinds(actions))

    def test_stop_in_idle(self):
        """With nothing going on, stop does nothing."""
        assert play(StopRequested()) == (READY, ())

    @pytest.mark.parametrize("story", [CONNECTED, THINKING, FOLLOW_UP])
    def test_mute_ends_listening(self, story):
        """Muting while the user could be heard closes everything."""
        state, actions = play(*story, MuteChanged(muted=True))
        assert (state.phase, state.muted) == (Phase.IDLE, True)
        assert CloseUplink() in actions

    def test_mute_while_speaking_lets_the_reply_end(self):
        """Muting during a reply closes the uplink at once and the conversation after the reply."""
        state, actions = play(*SPEAKING, MuteChanged(muted=True))
        assert actions == (CloseUplink(),)
        assert play(ResponseDone(R1, "completed"), PlaybackDrained(), state=state)[0].phase is Phase.IDLE

    @pytest.mark.parametrize("story", [CONNECTED, SPEAKING])
    def test_unmute_in_conversation_only_notes_it(self, story):
        """Unmuting changes nothing else."""
        before, _ = play(*story)
        assert play(MuteChanged(muted=False), state=before) == (before, ())

    def test_unmuted_in_the_reply_the_user_is_heard_again(self):
        """Over the reply where speech may cut it; in the window after it always."""
        muted, _ = play(*SPEAKING, MuteChanged(muted=True))
        assert play(MuteChanged(muted=False), state=muted)[1] == (OpenUplink(None),)
        assert play(MuteChanged(muted=False), state=muted, limits=HALF_DUPLEX)[1] == ()
        story = (MuteChanged(muted=False), ResponseDone(R1, "completed"), PlaybackDrained())
        state, actions = play(*story, state=muted)
        assert state.phase is Phase.FOLLOW_UP
        assert OpenUplink(None) in actions

    def test_unmuted_in_the_rest_of_a_lost_reply_nothing_is_sent(self):
        """There is no session to hear it."""
        story = (*SPEAKING, LinkLost("link-lost"), MuteChanged(muted=True), MuteChanged(muted=False))
        assert OpenUplink not in kinds(play(*story)[1])

    def test_mute_and_unmute_at_rest(self):
        """The status line says muted, then what it listens for."""
        assert play(MuteChanged(muted=True))[1] == (Announce("muted"),)
        assert play(MuteChanged(muted=True), MuteChanged(muted=False))[1] == (Announce('listening for "hey jarvis"'),)


class TestLosses:
    def test_link_lost_while_thinking(self):
        """The answer will not come: it is heard, and nothing stays open."""
        state, actions = play(*ANSWERED, LinkLost("link-closed-1006"))
        assert (state.phase, state.trouble) == (Phase.IDLE, "link-closed-1006")
        assert PlayEarcon(Earcon.ERROR) in actions

    def test_link_lost_while_speaking_plays_what_came(self):
        """What was received is played, then the error sounds."""
        state, actions = play(*SPEAKING, LinkLost("link-lost"))
        assert (state.phase, actions) == (Phase.SPEAKING, (CloseUplink(),))
        state, actions = play(PlaybackDrained(), state=state)
        assert state.phase is Phase.IDLE
        assert PlayEarcon(Earcon.ERROR) in actions

    def test_link_lost_in_a_starved_reply(self):
        """With nothing left to play the conversation ends at once."""
        assert play(*SPEAKING, PlaybackDrained(), LinkLost("link-lost"))[0].phase is Phase.IDLE

    def test_wake_word_in_the_rest_of_a_lost_reply(self):
        """A wake word then starts a session of its own."""
        state, actions = play(*SPEAKING, LinkLost("link-lost"), WAKE)
        assert (state.phase, state.link, state.turn) == (Phase.LISTENING, LinkState.CONNECTING, 1)
        assert OpenLink() in actions
        assert FlushPlayback() in actions

    def test_link_lost_in_the_window_is_silent(self):
        """Nobody waits for anything: no sound."""
        _, actions = play(*FOLLOW_UP, LinkLost("link-closed-1001"))
        assert PlayEarcon not in kinds(actions)

    @pytest.mark.parametrize("story", [CONNECTED, FOLLOW_UP])
    @pytest.mark.parametrize("device", Device)
    def test_a_card_lost_while_listening(self, story, device):
        """Without ears or voice the conversation ends with a sound; nobody blames the service when it is back."""
        state, actions = play(*story, DeviceLost(device))
        assert (state.phase, state.lost, state.trouble) == (Phase.IDLE, frozenset({device}), None)
        assert PlayEarcon(Earcon.ERROR) in actions

    @pytest.mark.parametrize("story", [ANSWERED, SPEAKING])
    def test_loudspeaker_lost_while_answering(self, story):
        """Nothing can be heard any more: the conversation ends."""
        assert play(*story, DeviceLost(Device.LOUDSPEAKER))[0].phase is Phase.IDLE

    def test_microphone_lost_while_speaking(self):
        """The reply is still heard; then it ends."""
        state, _ = play(*SPEAKING, DeviceLost(Device.MICROPHONE))
        assert state.phase is Phase.SPEAKING
        state, _ = play(ResponseDone(R1, "completed"), PlaybackDrained(), state=state)
        assert state.phase is Phase.IDLE
        assert status_line(state, LIMITS) == "no microphone: retrying"

    @pytest.mark.parametrize("story", [ANSWERED, SPEAKING])
    def test_a_microphone_that_is_back_before_the_answer_ends_is_heard(self, story):
        """It was closed when it was lost: now it is opened, unless its owner has muted it meanwhile."""
        lost, _ = play(*story, DeviceLost(Device.MICROPHONE))
        assert play(DeviceFound(Device.MICROPHONE), state=lost)[1] == (OpenUplink(None),)
        muted = replace(lost, muted=True)
        assert play(DeviceFound(Device.MICROPHONE), state=muted)[1] == ()

    def test_cards_come_and_go_at_rest(self):
        """The status line follows the cards."""
        assert play(DeviceLost(Device.LOUDSPEAKER))[1] == (Announce("no loudspeaker: retrying"),)
        state, _ = play(DeviceFound(Device.MICROPHONE), DeviceFound(Device.LOUDSPEAKER), state=State())
        assert state == READY


# --- properties ------------------------------------------------------------------------------------------------------

HEARDS = st.lists(st.builds(Heard, st.just(ItemId("item_1")), st.integers(0, 9000).map(Ms)), max_size=2).map(tuple)
RESPONSES = st.sampled_from([R1, R2])
EVENTS = st.one_of(
    st.builds(WakeWordDetected, st.just("w"), st.just(1.0), st.integers(0, 10**7).map(Frames), HEARDS),
    st.just(PauseHeard()),
    st.builds(StopRequested, HEARDS),
    st.builds(MuteChanged, st.booleans()),
    st.just(LinkUp()),
    st.builds(LinkLost, st.just("link-lost")),
    st.builds(SpeechStarted, HEARDS),
    st.just(SpeechStopped()),
    st.builds(ResponseCreated, RESPONSES),
    st.builds(AudioStarted, RESPONSES),
    st.builds(ResponseDone, RESPONSES, st.sampled_from(["completed", "cancelled", "failed", "incomplete"])),
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

    def perform(self, actions):
        for action in actions:
            match action:
                case OpenUplink() | SilenceUplink():
                    self.uplink = True
                case CloseUplink():
                    self.uplink = False
                case OpenLink():
                    assert not self.link, "a second link was opened"
                    self.link = True
                case CloseLink():
                    self.link = False


@settings(max_examples=600, deadline=None)
@given(PREFIXES, st.lists(EVENTS, max_size=12), st.booleans())
def test_invariants_hold_from_any_point_of_a_story(prefix, events, barge_in):
    """Whatever happens: nothing is open at rest, nothing waits without a deadline, a truncation follows a flush."""
    limits = replace(LIMITS, barge_in_by_speech=barge_in)
    gates, state, now = Gates(), READY, 0.0
    for event in (*prefix, *events):
        now += 1.0
        state, actions = step(state, event, now, limits)
        gates.perform(actions)
        if state.phase is Phase.IDLE:
            assert not gates.uplink
            assert not gates.link
            assert state.deadline is None
            assert state.turn == 0
        else:
            assert state.turn >= 1
            assert state.deadline is not None or state.audible
        if state.muted and state.phase is not Phase.IDLE:
            assert not gates.uplink
        if TruncateItem in kinds(actions):
            assert FlushPlayback in kinds(actions)
            assert kinds(actions).index(FlushPlayback) < kinds(actions).index(TruncateItem)
        if isinstance(event, SpeechStarted):
            assert CancelResponse not in kinds(actions)
        if isinstance(event, StopRequested):
            assert state.phase is Phase.IDLE

"""What the service does to a conversation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speakerd.core.actions import (
    AcceptAudio,
    Announce,
    AnswerCall,
    CancelResponse,
    CloseLink,
    CloseUplink,
    Earcon,
    FlushPlayback,
    OpenUplink,
    PlayEarcon,
    RejectAudio,
    RenewLink,
    ReopenLink,
    RepeatUplink,
    RequestResponse,
    Say,
    SilenceUplink,
    TruncateItem,
)
from speakerd.core.conversation import step
from speakerd.core.events import (
    AudioStarted,
    BudgetChanged,
    DeadlinePassed,
    Device,
    DeviceLost,
    FunctionCalled,
    LinkLost,
    LinkUp,
    MuteChanged,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SessionExpiring,
    SessionReduced,
    SpeechStarted,
    SpeechStopped,
    StopRequested,
)
from speakerd.core.functions import DONE, END_CONVERSATION, UNKNOWN_FUNCTION, WAIT_FOR_USER
from speakerd.core.notices import Notice
from speakerd.core.state import LinkState, Phase, status_line
from speakerd.core.units import Frames
from tests.fakes.table import (
    ANSWERED,
    CONNECTED,
    FOLLOW_UP,
    HALF_DUPLEX,
    HEARD,
    LIMITS,
    LISTENING,
    R1,
    R2,
    READY,
    SPEAKING,
    THINKING,
    WAKE,
    kinds,
    play,
)


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
        """A response that is announced while the user speaks stays unheard, and out of the next one's way."""
        state, actions = play(*THINKING, SpeechStarted(), ResponseCreated(R1))
        assert (state.phase, actions) == (Phase.LISTENING, (CancelResponse(R1),))

    def test_user_takes_the_word_before_the_response_is_known(self):
        """What answers the question before a second wake word is stopped; what comes unasked behind it is heard."""
        state, actions = play(*THINKING, WAKE, ResponseCreated(R1))
        assert (state.phase, actions) == (Phase.LISTENING, (CancelResponse(R1),))
        assert play(ResponseCreated(R2), state=state)[1] == (AcceptAudio(R2),)

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
        assert Say(Notice.OFFLINE) in actions

    def test_reply_stalls(self):
        """A reply that runs dry for too long ends the conversation, and the user hears that no more comes."""
        state, actions = play(*SPEAKING, PlaybackDrained(), DeadlinePassed())
        assert (state.phase, state.trouble) == (Phase.IDLE, "reply-stalled")
        assert Say(Notice.OFFLINE) in actions

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
        """A failed response is told once and leaves its code."""
        state, actions = play(*ANSWERED, ResponseDone(R1, "failed", "insufficient_quota"))
        assert state.trouble == "insufficient_quota"
        assert actions == (OpenUplink(None), Say(Notice.REFUSED))

    def test_failed_response_that_ends_the_conversation_sounds_once(self):
        """With no follow-up, the sentence takes the place of the end sound."""
        _, actions = play(*ANSWERED, ResponseDone(R1, "failed"), limits=replace(LIMITS, follow_up_s=0))
        assert [a for a in actions if isinstance(a, PlayEarcon | Say)] == [Say(Notice.REFUSED)]

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

    def test_a_user_who_goes_on_stops_a_service_that_does_not_interrupt_itself(self):
        """Else it would go on with an answer that nobody hears, and make none to what is said now."""
        _, actions = play(*ANSWERED, SpeechStarted(), limits=HALF_DUPLEX)
        assert actions[:3] == (FlushPlayback(), RejectAudio(R1), CancelResponse(R1))
        assert CancelResponse not in kinds(play(*ANSWERED, SpeechStarted())[1])

    def test_speech_during_a_reply_without_barge_in(self):
        """Half duplex: what the service takes for speech during a reply does not matter."""
        before, _ = play(*SPEAKING, limits=HALF_DUPLEX)
        assert play(SpeechStarted((HEARD,)), state=before, limits=HALF_DUPLEX) == (before, ())

    @pytest.mark.parametrize(
        "story",
        [
            (*SPEAKING, MuteChanged(muted=True)),
            (*SPEAKING, DeviceLost(Device.MICROPHONE)),
            (*ANSWERED, DeviceLost(Device.MICROPHONE)),
        ],
    )
    def test_speech_of_one_who_went_unheard_meanwhile_ends_the_conversation(self, story):
        """What they began to say was on its way; its end will never be heard, so nobody waits for it."""
        state, actions = play(*story, SpeechStarted((HEARD,)))
        assert state.phase is Phase.IDLE
        assert actions[:3] == (FlushPlayback(), RejectAudio(R1), TruncateItem(HEARD.item_id, HEARD.heard_ms))
        assert actions[3:6] == (CloseUplink(), CloseLink(), PlayEarcon(Earcon.END))


class TestLateEnds:
    def test_the_end_of_what_was_said_before_the_wake_word_is_not_that_of_the_question(self):
        """Told a second time, or late: nothing was said since, and the answer to what was is not wanted."""
        called, _ = play(*LISTENING, LinkUp(), SpeechStarted(), SpeechStopped(), WAKE)
        assert (called.phase, called.overtaken) == (Phase.LISTENING, True)
        assert play(SpeechStopped(), state=called) == (called, ())
        assert play(ResponseCreated(R1), state=called)[1] == (CancelResponse(R1),)
        asked, _ = play(SpeechStarted(), SpeechStopped(), state=called)
        assert asked.phase is Phase.THINKING


class TestLosses:
    def test_link_fails_to_come_up(self):
        """A service that cannot be reached is heard and seen."""
        state, actions = play(*LISTENING, LinkLost("link-refused"))
        assert Say(Notice.OFFLINE) in actions
        assert status_line(state, LIMITS).endswith("the service failed last time: link-refused")

    def test_a_session_that_is_confirmed_behind_the_user_is_up(self):
        """A service that hears before it confirms, as one that refused the configuration does, is no lost one."""
        for story in ((*LISTENING, SpeechStarted(), SpeechStopped()), (*LISTENING, SpeechStopped(), *SPEAKING[-2:])):
            before, _ = play(*story)
            assert before.link is LinkState.CONNECTING
            state, actions = play(LinkUp(), state=before)
            assert (state, actions) == (replace(before, link=LinkState.UP), ())

    def test_trouble_ends_when_the_link_is_up(self):
        """The next conversation that opens clears the trouble."""
        state, _ = play(*LISTENING, LinkLost("link-refused"), WAKE, LinkUp())
        assert state.trouble is None

    def test_link_lost_while_thinking(self):
        """The answer will not come: it is heard, and nothing stays open."""
        state, actions = play(*ANSWERED, LinkLost("link-closed-1006"))
        assert (state.phase, state.trouble) == (Phase.IDLE, "link-closed-1006")
        assert Say(Notice.OFFLINE) in actions

    def test_link_lost_while_speaking_plays_what_came(self):
        """What was received is played, then the error sounds."""
        state, actions = play(*SPEAKING, LinkLost("link-lost"))
        assert (state.phase, actions) == (Phase.SPEAKING, (CloseUplink(),))
        state, actions = play(PlaybackDrained(), state=state)
        assert state.phase is Phase.IDLE
        assert Say(Notice.OFFLINE) in actions

    def test_link_lost_in_a_starved_reply(self):
        """With nothing left to play the conversation ends at once."""
        assert play(*SPEAKING, PlaybackDrained(), LinkLost("link-lost"))[0].phase is Phase.IDLE

    def test_a_network_that_fell_silent_in_the_window_is_told(self):
        """It is noticed late: the user may have spoken meanwhile, and nobody heard it."""
        state, actions = play(*FOLLOW_UP, LinkLost("link-timeout"))
        assert (state.phase, state.trouble) == (Phase.IDLE, "link-timeout")
        assert Say(Notice.OFFLINE) in actions

    def test_link_lost_in_the_window_is_silent(self):
        """Nobody waits for anything: no sound."""
        _, actions = play(*FOLLOW_UP, LinkLost("link-closed-1001"))
        assert PlayEarcon not in kinds(actions)


class TestFunctions:
    def test_end_conversation_lets_the_goodbye_be_heard(self):
        """The function is answered; the conversation ends when the reply has been heard."""
        state, actions = play(*SPEAKING, FunctionCalled(R1, "call_1", END_CONVERSATION, "{}"))
        assert actions == (AnswerCall("call_1", DONE),)
        state, actions = play(ResponseDone(R1, "completed"), PlaybackDrained(), state=state)
        assert state.phase is Phase.IDLE
        assert PlayEarcon(Earcon.END) in actions

    def test_end_conversation_without_a_word(self):
        """A response that only says that it is over ends it at once."""
        story = (*ANSWERED, FunctionCalled(R1, "call_1", END_CONVERSATION, "{}"), ResponseDone(R1, "completed"))
        assert play(*story)[0].phase is Phase.IDLE

    def test_a_user_who_goes_on_is_not_left(self):
        """Speech over the goodbye takes the farewell back."""
        story = (*SPEAKING, FunctionCalled(R1, "call_1", END_CONVERSATION, "{}"), SpeechStarted((HEARD,)))
        state, _ = play(*story)
        assert (state.phase, state.leaving) == (Phase.LISTENING, False)

    def test_wait_for_user_listens_on_in_silence(self):
        """Speech that was not meant for the speaker is followed by the window, without a sound."""
        story = (*ANSWERED, FunctionCalled(R1, "call_1", WAIT_FOR_USER, "{}"), ResponseDone(R1, "completed"))
        state, actions = play(*story)
        assert (state.phase, actions) == (Phase.FOLLOW_UP, (OpenUplink(None),))

    def test_an_unknown_function_is_answered_and_the_service_goes_on(self):
        """The model is told; it is asked to speak when its response is over, not before."""
        state, actions = play(*ANSWERED, FunctionCalled(R1, "call_1", "fly", "{}"))
        assert actions == (AnswerCall("call_1", UNKNOWN_FUNCTION),)
        state, actions = play(ResponseDone(R1, "completed"), state=state)
        assert (state.phase, actions) == (Phase.THINKING, (RequestResponse(),))
        assert play(ResponseCreated(R2), AudioStarted(R2), state=state)[0].phase is Phase.SPEAKING

    @pytest.mark.parametrize(("story", "deadline"), [((), None), ((PlaybackDrained(),), 100.0 + LIMITS.stall_s)])
    def test_an_unknown_function_beside_speech(self, story, deadline):
        """The turn goes on after what is being said, and waits for the rest no longer than for a stall."""
        called = (*SPEAKING, FunctionCalled(R1, "call_1", "fly", "{}"), *story)
        state, actions = play(*called, ResponseDone(R1, "completed"))
        assert (state.phase, state.deadline, actions) == (Phase.SPEAKING, deadline, (RequestResponse(),))

    def test_a_call_of_a_response_that_broke_off_is_forgotten(self):
        """A response that the service makes unasked later is not followed by another."""
        story = (*SPEAKING, FunctionCalled(R1, "call_1", "fly", "{}"), ResponseDone(R1, "incomplete"))
        story = (*story, PlaybackDrained(), ResponseCreated(R2), AudioStarted(R2), ResponseDone(R2, "completed"))
        assert play(*story)[1] == ()

    def test_a_late_call_of_another_response_is_left_alone(self):
        """What a cut response still asks for does not matter."""
        before, _ = play(*ANSWERED)
        assert play(FunctionCalled(R2, "call_1", "fly", "{}"), state=before) == (before, ())


class TestSessions:
    def test_a_session_is_renewed_in_the_window(self):
        """While nobody speaks a new session takes the old one's place."""
        state, actions = play(*FOLLOW_UP, SessionExpiring())
        assert (state.phase, state.link, actions) == (Phase.FOLLOW_UP, LinkState.CONNECTING, (RenewLink(),))
        state, _ = play(LinkUp(), state=state, now=103.0)
        assert (state.link, state.deadline) == (LinkState.UP, 103.0 + LIMITS.follow_up_s)

    @pytest.mark.parametrize("story", [CONNECTED, ANSWERED, SPEAKING])
    def test_a_session_is_not_renewed_under_a_turn(self, story):
        """It waits for the end of the turn."""
        state, actions = play(*story, SessionExpiring())
        assert (state.expiring, actions) == (True, ())

    def test_it_is_renewed_after_the_reply(self):
        """The window begins in the new session."""
        state, actions = play(*SPEAKING, SessionExpiring(), ResponseDone(R1, "completed"), PlaybackDrained())
        assert (state.link, state.expiring) == (LinkState.CONNECTING, False)
        assert actions == (RenewLink(), OpenUplink(None))

    def test_a_renewal_that_hangs_is_told_at_the_end_of_the_window(self):
        """Whoever spoke into it was not heard: that is no end as it should be."""
        state, actions = play(*FOLLOW_UP, SessionExpiring(), DeadlinePassed())
        assert (state.phase, state.trouble) == (Phase.IDLE, "link-timeout")
        assert Say(Notice.OFFLINE) in actions

    def test_a_wake_word_meanwhile_has_the_patience_of_the_first(self):
        """The window for the first word begins when the new session can hear it."""
        state, _ = play(*FOLLOW_UP, SessionExpiring(), WAKE)
        assert state.deadline == 100.0 + LIMITS.utterance_s

    def test_without_money_no_session_takes_the_old_ones_place(self):
        """The conversation ends, and the owner is told."""
        state, actions = play(*FOLLOW_UP, BudgetChanged(spent=True), SessionExpiring())
        assert state.phase is Phase.IDLE
        assert Say(Notice.OVER_BUDGET) in actions

    def test_a_wake_word_meanwhile_is_served_by_the_new_session(self):
        """The word opens the uplink; the link is on its way already."""
        state, actions = play(*FOLLOW_UP, SessionExpiring(), WAKE)
        assert state.link is LinkState.CONNECTING
        assert kinds(actions) == [OpenUplink, Announce]

    def test_a_reduced_session_goes_on_and_is_told(self):
        """The conversation is held; the status says afterwards what was refused."""
        state, _ = play(*LISTENING, SessionReduced("invalid_value"), LinkUp(), StopRequested())
        assert "the service refuses a part of the configuration" in status_line(state, LIMITS)

    def test_a_renewal_that_fails_is_heard(self):
        """Somebody may be speaking into it."""
        assert PlayEarcon(Earcon.ERROR) in play(*FOLLOW_UP, SessionExpiring(), LinkLost("link-dns"))[1]


class TestMoney:
    def test_a_conversation_ends_with_the_reply_that_spent_the_rest(self):
        """The reply is heard, then the owner is told."""
        state, actions = play(*SPEAKING, BudgetChanged(spent=True), ResponseDone(R1, "completed"), PlaybackDrained())
        assert state.phase is Phase.IDLE
        assert Say(Notice.OVER_BUDGET) in actions

    def test_a_new_day(self):
        """Money that is there again opens sessions again."""
        state, _ = play(BudgetChanged(spent=True), BudgetChanged(spent=False))
        assert state == READY


class TestSentences:
    @pytest.mark.parametrize(
        ("code", "notice"),
        [("link-dns", Notice.OFFLINE), ("link-http-401", Notice.MISCONFIGURED), ("link-http-429", Notice.REFUSED)],
    )
    def test_a_failure_is_told_by_its_cause(self, code, notice):
        """Each cause has its sentence."""
        assert Say(notice) in play(*LISTENING, LinkLost(code))[1]

    def test_never_twice_in_a_row(self):
        """The second time a sound stands for the sentence, until the service was reached."""
        story = (*LISTENING, LinkLost("link-dns"), *LISTENING, LinkLost("link-dns"))
        state, actions = play(*story)
        assert PlayEarcon(Earcon.ERROR) in actions
        assert Say not in kinds(actions)
        assert Say(Notice.OFFLINE) in play(*CONNECTED, LinkLost("link-dns"), state=state)[1]

    def test_a_reply_that_failed_halfway_leaves_its_code(self):
        """What came is heard; the status keeps the trouble."""
        state, actions = play(*SPEAKING, ResponseDone(R1, "failed", "server_error"), PlaybackDrained())
        assert (state.phase, state.trouble) == (Phase.FOLLOW_UP, "server_error")
        assert actions == (OpenUplink(None), Say(Notice.REFUSED))
        assert play(*SPEAKING, ResponseDone(R1, "failed"))[0].trouble == "response-failed"

    def test_a_reply_that_failed_halfway_is_told_once(self):
        """Not again behind the next reply, nor when the user had cut it; in the place of the end's sound."""
        failed = (*SPEAKING, ResponseDone(R1, "failed"))
        again = (SpeechStarted(), SpeechStopped(), ResponseCreated(R2), AudioStarted(R2))
        ended = (ResponseDone(R2, "completed"), PlaybackDrained())
        for story in ((*failed, PlaybackDrained(), *again, *ended), (*failed, *again, *ended)):
            assert play(*story)[1] == (OpenUplink(None),)
        _, actions = play(*failed, PlaybackDrained(), limits=replace(LIMITS, follow_up_s=0))
        assert [a for a in actions if isinstance(a, PlayEarcon | Say)] == [Say(Notice.REFUSED)]

    def test_a_reply_that_breaks_off_for_its_length_is_heard_as_far_as_it_goes(self):
        """Nothing is wrong with the service: the user may ask it to go on."""
        state, actions = play(*SPEAKING, ResponseDone(R1, "incomplete"), PlaybackDrained())
        assert (state.phase, state.trouble, actions) == (Phase.FOLLOW_UP, None, (OpenUplink(None),))


BEGAN = Frames(60_000)
ASKING = (*CONNECTED, SpeechStarted(from_frame=BEGAN))
ASKED = (*ASKING, SpeechStopped())
CUT_OFF = LinkLost("link-lost", Frames(50_000))
AGAIN = (ReopenLink(), RepeatUplink(BEGAN))


class TestAskingAgain:
    @pytest.mark.parametrize("story", [ASKING, ASKED])
    def test_a_question_goes_to_a_new_session_by_itself(self, story):
        """In mid-utterance and behind its end: the user has the word again, as while connecting."""
        state, actions = play(*story, CUT_OFF)
        assert actions == AGAIN
        assert (state.phase, state.link, state.turn) == (Phase.LISTENING, LinkState.CONNECTING, 1)
        assert (state.user_speaking, state.asked_again) == (False, True)
        assert state.deadline == 100.0 + LIMITS.ask_again_s
        assert state.trouble is None

    def test_it_is_answered_as_if_nothing_had_happened(self):
        """The new session hears all of it; the reply opens the window as always."""
        state, _ = play(*ASKED, CUT_OFF, LinkUp())
        assert state.deadline == 100.0 + LIMITS.no_speech_s
        heard = SpeechStarted(from_frame=BEGAN), SpeechStopped(), ResponseCreated(R2), AudioStarted(R2)
        state, _ = play(*heard, ResponseDone(R2, "completed"), PlaybackDrained(), state=state)
        assert (state.phase, state.turn, state.trouble) == (Phase.FOLLOW_UP, 1, None)

    def test_a_response_without_a_sound_is_forgotten(self):
        """What was accepted of the lost session is accepted no more."""
        state, actions = play(*ASKED, ResponseCreated(R1), CUT_OFF)
        assert actions == (FlushPlayback(), RejectAudio(R1), *AGAIN)
        assert state.response_id is None

    def test_nothing_is_asked_again_once_a_sound_of_the_answer_has_come(self):
        """What was received is played, and its end is told."""
        state, actions = play(*ASKED, ResponseCreated(R1), AudioStarted(R1), CUT_OFF)
        assert (state.phase, actions) == (Phase.SPEAKING, (CloseUplink(),))

    def test_a_second_loss_is_told(self):
        """In the new session, and while it is dialled; also when the user has gone on meanwhile."""
        for rest in (
            (),
            (LinkUp(),),
            (LinkUp(), SpeechStarted(from_frame=BEGAN)),
            (LinkUp(), SpeechStarted(from_frame=BEGAN), SpeechStopped()),
            (LinkUp(), SpeechStarted(from_frame=BEGAN), SpeechStopped(), SpeechStarted(from_frame=BEGAN)),
        ):
            state, actions = play(*ASKED, CUT_OFF, *rest, CUT_OFF)
            assert (state.phase, state.trouble) == (Phase.IDLE, "link-lost")
            assert Say(Notice.OFFLINE) in actions

    def test_a_network_that_stays_away_is_told(self):
        """The deadline is that of the dialling, whoever it was that did not answer."""
        state, actions = play(*ASKED, CUT_OFF, DeadlinePassed())
        assert (state.phase, state.trouble) == (Phase.IDLE, "link-timeout")
        assert actions[:3] == (CloseUplink(), CloseLink(), Say(Notice.OFFLINE))

    def test_a_user_who_goes_on_asks_one_question(self):
        """It begins where its first words do, in mid-thought as well as in a second sentence."""
        goes_on = SpeechStarted(from_frame=Frames(90_000))
        for story in ((*ASKED, goes_on), (*ASKED, goes_on, SpeechStopped()), (*ASKING, goes_on)):
            assert play(*story, CUT_OFF)[1][-1] == RepeatUplink(BEGAN)

    def test_the_next_question_is_another_one(self):
        """It begins where it begins, and may be asked again even where the one before was."""
        state, _ = play(*ASKED, CUT_OFF, LinkUp(), *ASKED[2:], ResponseCreated(R1), AudioStarted(R1))
        for later in ((), (ResponseDone(R1, "completed"), PlaybackDrained())):
            _, actions = play(*later, SpeechStarted(from_frame=Frames(90_000)), CUT_OFF, state=state)
            assert actions[-1] == RepeatUplink(Frames(90_000))

    def test_nothing_is_asked_again_that_is_answered_or_was_never_said(self):
        """Before a word, behind an answer, and when the service speaks unasked behind one."""
        answered = (*ASKED, ResponseCreated(R1), AudioStarted(R1), ResponseDone(R1, "completed"), PlaybackDrained())
        for story in (CONNECTED, answered, (*answered, ResponseCreated(R2))):
            assert ReopenLink not in kinds(play(*story, CUT_OFF)[1])

    def test_a_question_that_was_taken_back_is_not_asked_again(self):
        """After a second wake word only what follows it counts."""
        assert ReopenLink not in kinds(play(*ASKED, WAKE, CUT_OFF)[1])
        _, actions = play(*ASKED, WAKE, SpeechStarted(from_frame=Frames(90_000)), CUT_OFF)
        assert actions[-1] == RepeatUplink(Frames(90_000))

    @pytest.mark.parametrize("name", [END_CONVERSATION, WAIT_FOR_USER, "fly"])
    def test_what_a_function_was_called_for_is_not_asked_again(self, name):
        """It may have been done: twice is worse than to be told."""
        called = FunctionCalled(R1, "call_1", name, "{}")
        assert ReopenLink not in kinds(play(*ASKED, ResponseCreated(R1), called, CUT_OFF)[1])

    @pytest.mark.parametrize("event", [StopRequested(), MuteChanged(muted=True), DeviceLost(Device.MICROPHONE)])
    def test_whoever_wants_an_end_gets_it_at_once(self, event):
        """As while connecting: the dialling ends, and nothing more is sent."""
        state, actions = play(*ASKED, CUT_OFF, event)
        assert state.phase is Phase.IDLE
        assert {CloseUplink, CloseLink} <= set(kinds(actions))

    def test_a_wake_word_changes_nothing_while_it_is_dialled(self):
        """The user is not heard yet; what they say goes behind the question."""
        before, _ = play(*ASKED, CUT_OFF)
        assert play(WAKE, state=before) == (before, ())

    def test_a_session_that_was_to_be_renewed_is_new(self):
        """Its age is no longer anybody's business."""
        state, _ = play(*ASKED, SessionExpiring(), CUT_OFF)
        assert not state.expiring

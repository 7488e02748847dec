"""What people and sound cards do to a conversation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speakerd.core.actions import (
    AbandonLink,
    Announce,
    CancelResponse,
    CloseLink,
    CloseUplink,
    ConfigureTurns,
    Earcon,
    FlushPlayback,
    OpenLink,
    OpenUplink,
    PlayEarcon,
    PrepareLink,
    RejectAudio,
    Say,
    SilenceUplink,
    TruncateItem,
)
from speakerd.core.conversation import step
from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.events import (
    BY_REQUEST,
    AudioStarted,
    DeadlinePassed,
    Device,
    DeviceFound,
    DeviceLost,
    EchoMeasured,
    LinkLost,
    MicrophoneSilent,
    MuteChanged,
    PauseHeard,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    StopRequested,
    WakeWordApproached,
)
from speakerd.core.guess import GUESS_DECLINED
from speakerd.core.notices import SERVICE_SILENT, Notice
from speakerd.core.state import LinkState, Phase, State, status_line
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
    READY,
    SPEAKING,
    THINKING,
    WAKE,
    kinds,
    play,
)


class TestWaking:
    def test_wake_opens_the_uplink_before_the_link(self):
        """The wake word opens the uplink 300 ms before its detection, then the link; it makes no sound yet."""
        state, actions = play(WAKE)
        assert state.phase is Phase.LISTENING
        assert state.link is LinkState.CONNECTING
        opening = (OpenUplink(Frames(48_000 - 7_200)), OpenLink())
        assert actions == (FlushPlayback(), *opening, Announce("in conversation, turn 1"))

    def test_a_user_who_waits_is_answered_by_a_sound(self):
        """The wake sound comes when the user pauses behind the word, and in no other phase."""
        assert play(*LISTENING, PauseHeard())[1] == (PlayEarcon(Earcon.WAKE),)
        for story in (THINKING, SPEAKING, FOLLOW_UP, ()):
            assert play(*story, PauseHeard())[1] == ()

    def test_preroll_does_not_reach_before_the_start(self):
        """A wake word right after the start begins at frame 0."""
        assert OpenUplink(Frames(0)) in play(replace(WAKE, position_frames=Frames(100)))[1]

    def test_no_wake_before_the_cards_are_open(self):
        """At the start a wake word does nothing."""
        assert play(WAKE, state=State()) == (State(), ())

    def test_second_wake_word_while_connecting_changes_nothing(self):
        """Two wake words in a row open one link."""
        before, _ = play(*LISTENING)
        assert play(WAKE, state=before) == (before, ())

    def test_second_wake_word_gives_more_time(self):
        """Saying it again before speaking starts the wait anew."""
        before, _ = play(*CONNECTED)
        after, actions = step(before, WAKE, 105.0, LIMITS)
        assert (after.deadline, actions) == (105.0 + LIMITS.no_speech_s, ())

    def test_an_utterance_without_end_is_answered_as_far_as_it_went(self):
        """A television behind the user: the service hears silence, and the answer is the last of the conversation."""
        cut, actions = play(*CONNECTED, SpeechStarted(), DeadlinePassed())
        assert (cut.phase, cut.cut_off, actions) == (Phase.LISTENING, True, (SilenceUplink(),))
        answered = (SpeechStopped(), ResponseCreated(R1), AudioStarted(R1), ResponseDone(R1, "completed"))
        state, actions = play(*answered, PlaybackDrained(), state=cut)
        assert state.phase is Phase.IDLE
        assert PlayEarcon(Earcon.END) in actions

    def test_a_service_that_does_not_even_hear_silence_is_told(self):
        """It has gone, though it still gives signs of life."""
        state, actions = play(*CONNECTED, SpeechStarted(), DeadlinePassed(), DeadlinePassed())
        assert (state.phase, state.trouble) == (Phase.IDLE, SERVICE_SILENT)
        assert Say(Notice.OFFLINE) in actions

    def test_a_wake_word_gives_the_word_back(self):
        """Whoever says it is heard again, and may go on afterwards."""
        cut, _ = play(*CONNECTED, SpeechStarted(), DeadlinePassed(), SpeechStopped())
        state, actions = play(WAKE, state=cut)
        assert (state.cut_off, state.leaving) == (False, False)
        assert OpenUplink in kinds(actions)

    def test_second_wake_word_within_an_utterance_is_part_of_it(self):
        """While the user speaks, the wake word is just speech."""
        before, _ = play(*CONNECTED, SpeechStarted())
        assert play(WAKE, state=before) == (before, ())

    def test_nothing_said(self):
        """When nothing is said, everything is closed again."""
        state, actions = play(*CONNECTED, DeadlinePassed())
        assert state.phase is Phase.IDLE
        assert kinds(actions) == [CloseUplink, CloseLink, PlayEarcon, Announce]


class TestInterruptions:
    def test_barge_in_by_wake_word(self):
        """The wake word cancels the response by its id, truncates and listens at once."""
        state, actions = play(*SPEAKING, replace(WAKE, unheard=(HEARD,)))
        assert (state.phase, state.turn) == (Phase.LISTENING, 2)
        assert kinds(actions)[:5] == [FlushPlayback, RejectAudio, CancelResponse, TruncateItem, OpenUplink]

    def test_no_cancel_of_a_finished_response(self):
        """A reply that only still plays is truncated, not cancelled."""
        _, actions = play(*SPEAKING, ResponseDone(R1, "completed"), replace(WAKE, unheard=(HEARD,)))
        assert CancelResponse not in kinds(actions)

    def test_a_request_without_a_microphone_does_not_cut(self):
        """Whoever asks by ``speakerd wake`` could not be heard: the reply is worth more."""
        before, _ = play(*SPEAKING, DeviceLost(Device.MICROPHONE))
        assert play(replace(WAKE, model=BY_REQUEST), state=before) == (before, ())

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
        """With nothing going on, stop cuts a sentence of ours that may be playing."""
        assert play(StopRequested()) == (READY, (FlushPlayback(),))

    @pytest.mark.parametrize("story", [CONNECTED, THINKING, FOLLOW_UP])
    def test_mute_ends_listening(self, story):
        """Muting while the user could be heard closes everything."""
        state, actions = play(*story, MuteChanged(muted=True))
        assert (state.phase, state.muted) == (Phase.IDLE, True)
        assert CloseUplink() in actions

    def test_mute_while_speaking_lets_the_reply_end(self):
        """Muting during a reply closes the uplink at once and the conversation after the reply."""
        state, actions = play(*SPEAKING, MuteChanged(muted=True))
        assert actions == (CloseUplink(), Announce("in conversation, turn 1, muted"))
        assert play(ResponseDone(R1, "completed"), PlaybackDrained(), state=state)[0].phase is Phase.IDLE

    @pytest.mark.parametrize("story", [CONNECTED, SPEAKING])
    def test_unmute_in_conversation_only_notes_it(self, story):
        """Unmuting changes nothing else."""
        before, _ = play(*story)
        assert play(MuteChanged(muted=False), state=before) == (before, ())

    def test_unmuted_in_the_reply_the_user_is_heard_again(self):
        """Over the reply where speech may cut it (else the service hears silence); in the window after it always."""
        muted, _ = play(*SPEAKING, MuteChanged(muted=True))
        assert play(MuteChanged(muted=False), state=muted)[1][0] == OpenUplink(None)
        assert play(MuteChanged(muted=False), state=muted, limits=HALF_DUPLEX)[1][0] == SilenceUplink()
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


class TestCards:
    def test_wake_word_in_the_rest_of_a_lost_reply(self):
        """A wake word then starts a session of its own."""
        state, actions = play(*SPEAKING, LinkLost("link-lost"), WAKE)
        assert (state.phase, state.link, state.turn) == (Phase.LISTENING, LinkState.CONNECTING, 1)
        assert OpenLink() in actions
        assert FlushPlayback() in actions

    @pytest.mark.parametrize("story", [CONNECTED, FOLLOW_UP])
    @pytest.mark.parametrize("device", Device)
    def test_a_card_lost_while_listening(self, story, device):
        """Without ears or voice the conversation ends with a sound; nobody blames the service when it is back."""
        state, actions = play(*story, DeviceLost(device))
        assert (state.phase, state.lost, state.trouble) == (Phase.IDLE, frozenset({device}), None)
        assert (Say(Notice.NO_MICROPHONE) if device is Device.MICROPHONE else PlayEarcon(Earcon.ERROR)) in actions

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
        assert play(DeviceFound(Device.MICROPHONE), state=lost)[1][0] == OpenUplink(None)
        muted = replace(lost, muted=True)
        assert play(DeviceFound(Device.MICROPHONE), state=muted)[1] == ()

    def test_cards_come_and_go_at_rest(self):
        """The status line follows the cards."""
        assert play(DeviceLost(Device.LOUDSPEAKER))[1] == (Announce("no loudspeaker: retrying"),)
        state, _ = play(DeviceFound(Device.MICROPHONE), DeviceFound(Device.LOUDSPEAKER), state=State())
        assert state == READY


class TestEcho:
    AUTO = replace(LIMITS, barge_in_measured=True)

    @pytest.mark.parametrize("story", [(), FOLLOW_UP])
    def test_what_was_measured_is_for_this_session_and_the_next(self, story):
        """Outside a reply the service is told, and nothing else changes; the choice outlives the conversation."""
        measured = EchoMeasured(EchoFigures(), BargeIn.WAKE_WORD)
        state, actions = play(*story, measured, limits=self.AUTO)
        assert actions == (ConfigureTurns(interrupt=False),)
        assert play(*SPEAKING, state=play(StopRequested(), state=state)[0], limits=self.AUTO)[1] == (SilenceUplink(),)

    def test_it_changes_the_reply_that_is_heard(self):
        """Trust that is lost closes the uplink's ears, trust that is back opens them."""
        state, actions = play(*SPEAKING, EchoMeasured(EchoFigures(), BargeIn.WAKE_WORD), limits=self.AUTO)
        assert actions == (ConfigureTurns(interrupt=False), SilenceUplink())
        actions = play(EchoMeasured(EchoFigures(), BargeIn.SPEECH), state=state, limits=self.AUTO)[1]
        assert actions == (ConfigureTurns(interrupt=True), OpenUplink(None))

    def test_an_owner_who_chose_is_obeyed(self):
        """Nothing is left to measurement unless barge_in is auto."""
        before, _ = play(*SPEAKING)
        assert play(EchoMeasured(EchoFigures(), BargeIn.OFF), state=before) == (before, ())

    def test_a_switched_off_microphone_is_told_and_forgotten(self):
        """The status line says so in the end, whatever was going on, and takes it back."""
        state, _ = play(*SPEAKING, MicrophoneSilent(silent=True), StopRequested())
        assert status_line(state, LIMITS).startswith("deaf")
        assert play(MicrophoneSilent(silent=False), state=state)[0].silent is False

    def test_off_is_deaf_to_words_but_not_to_hands(self):
        """A wake word heard over the reply is none; a request is obeyed."""
        off = replace(LIMITS, barge_in=BargeIn.OFF)
        before, _ = play(*SPEAKING, limits=off)
        assert play(WAKE, state=before, limits=off) == (before, ())
        assert play(replace(WAKE, model=BY_REQUEST), state=before, limits=off)[0].phase is Phase.LISTENING


class TestGuesses:
    def test_a_rising_score_begins_to_connect(self):
        """A connection is begun on a guess; nothing else is opened, and nobody is told."""
        state, actions = play(WakeWordApproached(0.3))
        assert (state.phase, state.deadline) == (Phase.IDLE, 100.0 + LIMITS.prepare_s)
        assert actions == (PrepareLink(),)
        assert play(WakeWordApproached(0.4), state=state) == (state, ())

    def test_the_wake_word_takes_what_was_prepared(self):
        """The guess was right: a session is opened, nothing is abandoned."""
        state, actions = play(WakeWordApproached(0.3), WAKE)
        assert (state.prepared, kinds(actions)) == (False, [FlushPlayback, OpenUplink, OpenLink, Announce])

    def test_a_wrong_guess_is_dropped_and_not_repeated_at_once(self):
        """Without a wake word the connection is dropped; for a while nothing is guessed."""
        state, actions = play(WakeWordApproached(0.3), DeadlinePassed())
        assert (actions, state.deadline) == ((AbandonLink(),), None)
        assert play(WakeWordApproached(0.3), state=state, now=129.0)[1] == ()
        assert play(WakeWordApproached(0.3), state=state, now=130.0)[1] == (PrepareLink(),)

    def test_a_guess_that_the_link_declines_is_none(self):
        """Nothing waits to be dropped, and the next one need not wait."""
        state, actions = play(WakeWordApproached(0.3), LinkLost(GUESS_DECLINED))
        assert (state, actions) == (READY, ())
        assert play(WakeWordApproached(0.3), state=state)[1] == (PrepareLink(),)

    def test_a_session_lost_at_rest_is_stale(self):
        """There is none; a guess that is being made goes on."""
        state, _ = play(WakeWordApproached(0.3))
        assert play(LinkLost("link-lost"), state=state) == (state, ())

    def test_the_pause_outlives_a_conversation(self):
        """Ending a conversation does not allow another guess."""
        state, _ = play(WakeWordApproached(0.3), DeadlinePassed(), WAKE, StopRequested())
        assert play(WakeWordApproached(0.3), state=state)[1] == ()

    def test_muting_drops_a_guess(self):
        """Who mutes the speaker wants no connection."""
        assert play(WakeWordApproached(0.3), MuteChanged(muted=True))[1] == (AbandonLink(), Announce("muted"))

    @pytest.mark.parametrize("state", [replace(READY, muted=True), State(), replace(READY, over_budget=True)])
    def test_no_guess_where_no_conversation_can_follow(self, state):
        """Muted, without cards, or with the money spent, nothing is begun."""
        assert play(WakeWordApproached(0.3), state=state) == (state, ())

    def test_a_deadline_without_a_guess_is_stale(self):
        """At rest nothing waits."""
        assert play(DeadlinePassed()) == (READY, ())


class TestSentences:
    def test_whoever_wakes_a_muted_speaker_is_told(self):
        """``speakerd wake`` while muted is answered in words, the second time by a sound."""
        state, actions = play(WAKE, state=replace(READY, muted=True))
        assert actions == (Say(Notice.MUTED),)
        assert play(WAKE, state=state)[1] == (PlayEarcon(Earcon.ERROR),)

    def test_a_lost_microphone_is_told_unasked(self):
        """Once when it goes; whoever wakes the speaker then has just been told."""
        state, actions = play(DeviceLost(Device.MICROPHONE))
        assert actions == (Say(Notice.NO_MICROPHONE, asked=False), Announce("no microphone: retrying"))
        assert play(DeviceLost(Device.MICROPHONE), state=state) == (state, ())
        told, actions = play(WAKE, state=state)
        assert actions == (Say(Notice.NO_MICROPHONE),), "whoever asks may not have been there"
        assert play(WAKE, state=told)[1] == (PlayEarcon(Earcon.ERROR),)

    def test_a_spent_budget_is_told(self):
        """The wake word opens nothing, and is answered."""
        state, actions = play(WAKE, state=replace(READY, over_budget=True))
        assert (state.phase, actions) == (Phase.IDLE, (Say(Notice.OVER_BUDGET),))

    def test_the_wake_word_cuts_a_sentence(self):
        """A sentence that is still being said does not lie over the command."""
        state, _ = play(*LISTENING, LinkLost("link-dns"))
        assert play(WAKE, state=state)[1][0] == FlushPlayback()

    def test_a_silent_loss_is_not_repeated_unasked(self):
        """What was said a moment ago is not said again when nobody asked; not even hinted at."""
        state, _ = play(DeviceLost(Device.MICROPHONE), DeviceFound(Device.MICROPHONE))
        assert play(DeviceLost(Device.MICROPHONE), state=state)[1] == (Announce("no microphone: retrying"),)


class TestDeafMicrophone:
    """The microphone delivers zeros, or one value."""

    @pytest.mark.parametrize("before", [(), LISTENING, FOLLOW_UP])
    def test_it_is_said_unasked(self, before):
        """At rest, and to whoever speaks into it."""
        state, actions = play(*before, MicrophoneSilent(silent=True))
        assert Say(Notice.DEAF, asked=False) in actions
        assert (state.silent, state.stuck) == (True, False)
        assert "only zeros" in status_line(state, LIMITS)

    @pytest.mark.parametrize("before", [ANSWERED, SPEAKING])
    def test_not_into_an_answer(self, before):
        """The status line says it; the answer is heard to its end."""
        state, actions = play(*before, MicrophoneSilent(silent=True, stuck=True))
        assert not [action for action in actions if isinstance(action, Say)]
        assert "stuck at one value" in status_line(state, LIMITS)

    @pytest.mark.parametrize("before", [ANSWERED, SPEAKING])
    def test_what_began_in_an_answer_is_put_off(self, before):
        """Until the answer has ended, unless it has ended itself by then."""
        state, _ = play(*before, MicrophoneSilent(silent=True))
        assert state.deaf_untold
        assert play(MicrophoneSilent(silent=True, stuck=True), state=state)[0].deaf_untold, "another value, as deaf"
        assert not play(MicrophoneSilent(silent=False), state=state)[0].deaf_untold

    @pytest.mark.parametrize(
        ("before", "event"),
        [
            ((), MicrophoneSilent(silent=True)),
            ((*SPEAKING, MuteChanged(muted=True)), MicrophoneSilent(silent=True)),
            (SPEAKING, MicrophoneSilent(silent=True, again=True)),
        ],
    )
    def test_what_is_told_or_not_to_be_told_is_not(self, before, event):
        """At rest it is said at once, to the muted not at all, and one that went on by itself is no news."""
        assert not play(*before, event)[0].deaf_untold

    def test_nor_to_an_owner_who_has_muted_it(self):
        """Who does not want to be heard need not be told."""
        _, actions = play(MuteChanged(muted=True), MicrophoneSilent(silent=True))
        assert not [action for action in actions if isinstance(action, Say)]

    def test_nor_when_it_was_so_before_and_went_on(self):
        """One that gates would say it all day; whoever uses its switch knows. The status line says it each time."""
        state, actions = play(MicrophoneSilent(silent=True, again=True))
        assert actions == (Announce(status_line(state, LIMITS)),)
        assert state.silent

    def test_its_end_is_shown_and_not_said(self):
        """Whoever has switched it on again knows it; the reason goes with it."""
        state, actions = play(MicrophoneSilent(silent=True, stuck=True), MicrophoneSilent(silent=False))
        assert (state.silent, state.stuck) == (False, False)
        assert actions == (Announce(status_line(state, LIMITS)),)

    def test_it_is_still_deaf_after_the_conversation(self):
        """And not said again for having ended."""
        state, actions = play(*FOLLOW_UP, MicrophoneSilent(silent=True, stuck=True), StopRequested())
        assert (state.phase, state.silent, state.stuck) == (Phase.IDLE, True, True)
        assert not [action for action in actions if isinstance(action, Say)]

"""What cells share, each by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speakerd.core.actions import (
    CancelResponse,
    CloseLink,
    CloseUplink,
    Earcon,
    FlushPlayback,
    OpenUplink,
    PlayEarcon,
    RejectAudio,
    RenewLink,
    Say,
    SilenceUplink,
    TruncateItem,
)
from speakerd.core.echo_path import BargeIn
from speakerd.core.events import BY_REQUEST, DeadlinePassed, Device
from speakerd.core.moves import (
    after_reply,
    barge_in,
    end,
    fail_with,
    first_frame,
    hear_over_reply,
    hush,
    ignore,
    is_deaf,
    listen,
    tell,
    tell_put_off,
)
from speakerd.core.notices import Notice, Said
from speakerd.core.state import LinkState, Phase, State
from speakerd.core.units import Frames
from tests.fakes.table import HALF_DUPLEX, HEARD, LIMITS, R1, READY, WAKE

NOW = 100.0
SPEAKING = replace(READY, phase=Phase.SPEAKING, link=LinkState.UP, response_id=R1, audible=True, turn=1)


def test_ignore():
    """A stale event changes nothing."""
    assert ignore(SPEAKING, DeadlinePassed(), NOW, LIMITS) == (SPEAKING, ())


def test_end_keeps_what_outlives_a_conversation():
    """What the owner and the machine are in stays; what belongs to the conversation goes."""
    said = Said(Notice.OFFLINE, 5.0)
    lasting = {
        "muted": True,
        "trouble": "link-dns",
        "over_budget": True,
        "said": said,
        "prepare_at": 7.0,
        "deaf_untold": True,
        "barge_in": BargeIn.OFF,
    }
    state, actions = end(replace(SPEAKING, **lasting, expiring=True, leaving=True), PlayEarcon(Earcon.END))
    assert state == State(lost=frozenset(), **lasting)
    assert actions == (CloseUplink(), CloseLink(), PlayEarcon(Earcon.END))


def test_tell_once_in_words():
    """The second time in a row it is a sound, and nothing when nobody asked."""
    state, actions = tell(READY, Notice.OFFLINE, NOW)
    assert (state.said, actions) == (Said(Notice.OFFLINE, NOW), (Say(Notice.OFFLINE),))
    assert tell(state, Notice.OFFLINE, NOW) == (state, (PlayEarcon(Earcon.ERROR),))
    assert tell(state, Notice.OFFLINE, NOW, asked=False) == (state, ())


def test_fail_with_a_code():
    """The code stays in the status, its sentence is said, everything is closed."""
    state, actions = fail_with(SPEAKING, "link-http-401", NOW)
    assert (state.phase, state.trouble) == (Phase.IDLE, "link-http-401")
    assert actions == (CloseUplink(), CloseLink(), Say(Notice.MISCONFIGURED))


def test_hush_is_in_order():
    """Flush, shut the gate, cancel if asked and not over yet, then tell what was heard."""
    truncate = TruncateItem(HEARD.item_id, HEARD.heard_ms)
    assert hush(SPEAKING, (HEARD,), cancel=True) == (FlushPlayback(), RejectAudio(R1), CancelResponse(R1), truncate)
    assert hush(SPEAKING, (HEARD,), cancel=False) == (FlushPlayback(), RejectAudio(R1), truncate)
    done = replace(SPEAKING, response_done=True)
    assert CancelResponse(R1) not in hush(done, (), cancel=True)
    assert hush(replace(SPEAKING, response_id=None), (HEARD,), cancel=True) == (FlushPlayback(), truncate)
    assert hush(READY, (), cancel=True) == ()


def test_listen_forgets_the_reply():
    """Nothing of the reply is left in the state."""
    before = replace(SPEAKING, response_done=True, calls_answered=True, leaving=True)
    after = listen(before, deadline=9.0, turn=2, user_speaking=True)
    wanted = replace(READY, phase=Phase.LISTENING, link=LinkState.UP, user_speaking=True, turn=2, deadline=9.0)
    assert after == wanted


@pytest.mark.parametrize(("position", "first"), [(48_000, 40_800), (100, 0)])
def test_first_frame(position, first):
    """A command may begin 300 ms before the detection, and not before the start; never before a request."""
    assert first_frame(replace(WAKE, model=BY_REQUEST), LIMITS) is None
    assert first_frame(replace(WAKE, position_frames=Frames(position)), LIMITS) == first


def test_deaf_is_muted_or_without_a_microphone():
    """A loudspeaker that is gone makes nobody deaf."""
    assert is_deaf(replace(READY, muted=True))
    assert is_deaf(replace(READY, lost=frozenset({Device.MICROPHONE})))
    assert not is_deaf(replace(READY, lost=frozenset({Device.LOUDSPEAKER})))


def test_hear_over_reply_only_where_speech_may_cut():
    """Half duplex it is silence; to the deaf and without a session there is nothing."""
    assert hear_over_reply(SPEAKING, LIMITS) == (OpenUplink(None),)
    assert hear_over_reply(SPEAKING, HALF_DUPLEX) == (SilenceUplink(),)
    assert hear_over_reply(replace(SPEAKING, muted=True), LIMITS) == ()
    assert hear_over_reply(replace(SPEAKING, link=LinkState.DOWN), LIMITS) == ()


class TestAfterReply:
    def test_listen_on(self):
        """The window opens, and the uplink with it."""
        state, actions = after_reply(SPEAKING, NOW, LIMITS)
        assert (state.phase, state.deadline, actions) == (
            Phase.FOLLOW_UP,
            NOW + LIMITS.follow_up_s,
            (OpenUplink(None),),
        )

    @pytest.mark.parametrize(
        ("change", "limits"),
        [
            ({"leaving": True}, {}),
            ({"muted": True}, {}),
            ({"turn": 20}, {}),
            ({}, {"follow_up_s": 0}),
        ],
    )
    def test_end(self, change, limits):
        """Nobody is to be heard any more: a sound says so."""
        state, actions = after_reply(replace(SPEAKING, **change), NOW, replace(LIMITS, **limits))
        assert (state.phase, actions[-1]) == (Phase.IDLE, PlayEarcon(Earcon.END))

    def test_without_a_session(self):
        """The trouble is told when what was received has been heard."""
        lost = replace(SPEAKING, link=LinkState.DOWN, trouble="link-lost")
        assert after_reply(lost, NOW, LIMITS)[1][-1] == Say(Notice.OFFLINE)

    def test_without_money(self):
        """The conversation ends, and says why."""
        assert after_reply(replace(SPEAKING, over_budget=True), NOW, LIMITS)[1][-1] == Say(Notice.OVER_BUDGET)

    def test_with_a_session_that_expires(self):
        """A new one takes its place before the window opens."""
        state, actions = after_reply(replace(SPEAKING, expiring=True), NOW, LIMITS)
        assert (state.link, state.expiring) == (LinkState.CONNECTING, False)
        assert actions == (RenewLink(), OpenUplink(None))


def test_whoever_wrote_reads_what_is_wrong():
    """Nothing is said, and after the reply nobody is listened to, whatever came of it."""
    by_text = replace(SPEAKING, by_text=True)
    assert tell(by_text, Notice.OFFLINE, NOW) == (by_text, ())
    for state in (by_text, replace(by_text, broke_off=True, trouble="server_error")):
        after, actions = after_reply(state, NOW, LIMITS)
        assert (after.phase, actions) == (Phase.IDLE, (CloseUplink(), CloseLink()))
    assert hear_over_reply(by_text, LIMITS) == ()
    assert not listen(by_text, deadline=NOW, turn=2, user_speaking=False).by_text


def test_what_was_measured_counts_only_while_it_is_asked_for():
    """A reload that leaves no choice to measurement must not be overruled by what was measured before it."""
    measured = replace(SPEAKING, barge_in=BargeIn.WAKE_WORD)
    assert barge_in(measured, LIMITS) is LIMITS.barge_in is BargeIn.SPEECH
    assert barge_in(measured, replace(LIMITS, barge_in_measured=True)) is BargeIn.WAKE_WORD
    assert barge_in(SPEAKING, replace(LIMITS, barge_in_measured=True)) is BargeIn.SPEECH


class TestPutOff:
    """A microphone that became deaf during an answer."""

    DEAF = replace(READY, silent=True, deaf_untold=True)
    SAY = Say(Notice.DEAF, asked=False)

    def test_it_takes_the_place_of_the_sound_that_ends(self):
        """One thing is heard at a time; it is said once."""
        told, actions = tell_put_off(self.DEAF, (CloseLink(), PlayEarcon(Earcon.END)), NOW)
        assert actions == (CloseLink(), self.SAY)
        assert (told.deaf_untold, told.said) == (False, Said(Notice.DEAF, NOW, asked=False))
        assert tell_put_off(told, (), NOW) == (told, ())

    @pytest.mark.parametrize("phase", [Phase.THINKING, Phase.SPEAKING])
    def test_not_into_an_answer(self, phase):
        """It is heard to its end."""
        answering = replace(self.DEAF, phase=phase)
        assert tell_put_off(answering, (), NOW) == (answering, ())

    def test_another_sentence_goes_first(self):
        """What went wrong with the answer; the microphone's turn comes with the next event."""
        saying = (Say(Notice.OFFLINE),)
        assert tell_put_off(self.DEAF, saying, NOW) == (self.DEAF, saying)

    @pytest.mark.parametrize("differs", [{"muted": True}, {"lost": frozenset({Device.MICROPHONE})}])
    def test_what_is_not_true_any_more_is_not_said(self, differs):
        """Whoever has muted it since need not be told, and of a microphone that is gone something else is said."""
        state = replace(self.DEAF, **differs)
        assert tell_put_off(state, (), NOW) == (replace(state, deaf_untold=False), ())

    def test_what_was_said_a_moment_ago_is_not_said_again(self):
        """The sound that ends stays."""
        end_sound = (PlayEarcon(Earcon.END),)
        state = replace(self.DEAF, said=Said(Notice.DEAF, NOW - 1.0, asked=False))
        assert tell_put_off(state, end_sound, NOW) == (replace(state, deaf_untold=False), end_sound)

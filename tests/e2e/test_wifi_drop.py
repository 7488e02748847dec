"""The network goes away before or while the user speaks; in an answer and behind it: ``test_link_lost``.

What becomes of a question that was under way: ``test_asked_again``.
"""

from __future__ import annotations

import numpy as np

from speakerd.core.notices import Notice
from speakerd.core.units import WIRE_RATE_HZ
from tests.fakes.room_tools import as_wire, notice_likeness, unlike_pieces
from tests.fakes.stories import through
from tests.fakes.tap import Tap


async def test_a_network_lost_before_a_word_is_said_is_told(play, voice):
    """There is nothing to ask again: a notice, a true status line, and the next works."""
    async with play(replies=["One, two."], start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        begun, _ = stage.say(voice("Hey Jarvis."))
        await stage.wait_for("link.up", after_s=begun)
        await stage.wait_for("earcon", earcon="wake", after_s=begun)
        tap.cut()
        lost = await stage.wait_for("state", before="listening", after="idle", on="LinkLost", after_s=begun)
        await _is_told(stage, lost["t"], "link-lost")
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)
        assert (await stage.status())["trouble"] is None
        assert len(stage.marks("notice")) == 1


async def test_a_network_that_swallows_the_handshake_is_told_in_time(play, voice):
    """Nobody refuses, nobody answers: the user hears after ten seconds that there is no service."""
    async with play(replies=["One, two."], start_daemon=False) as stage, Tap(stage.url, handshake_s=60.0) as tap:
        await through(tap, stage)
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        woken = await stage.wait_for("wake", after_s=begun)
        lost = await stage.wait_for("state", before="listening", after="idle", after_s=begun, timeout_s=20)
        assert lost["on"] == "LinkLost"
        assert lost["t"] - woken["t"] < 11.0
        await _is_told(stage, lost["t"], "link-timeout")
        tap.handshake_s = 0.0
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)


NOTICED_S = 8.5
"""Six beats of a second without a sign of life, one until the first counts, and a busy machine's delay."""


async def test_a_network_that_falls_silent_before_a_word_is_said_is_told(play, voice):
    """No reset, packets simply stop: the user hears within seconds that nothing came through, and the next works."""
    async with play(replies=["One, two."], start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        begun, _ = stage.say(voice("Hey Jarvis."))
        await stage.wait_for("link.up", after_s=begun)
        tap.fall_silent()
        silent_s = stage.room.now_s()
        lost = await stage.wait_for("state", before="listening", after="idle", after_s=begun, timeout_s=20)
        assert lost["on"] == "LinkLost"
        assert lost["t"] - silent_s < NOTICED_S
        await _is_told(stage, lost["t"], "link-timeout")
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)


async def test_a_network_that_falls_silent_in_a_question_costs_seconds_and_no_word(play, voice):
    """It is noticed within seconds, and what was said meanwhile goes to a new session with what was said before."""
    said = voice("Hey Jarvis, tell me everything that you know about France and its cities.")
    async with play(replies=["One, two."], start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        begun, _ = stage.say(said)
        await stage.wait_for("speech_started", after_s=begun)
        tap.fall_silent()
        silent_s = stage.room.now_s()
        again = await stage.wait_for("uplink.again", after_s=begun, timeout_s=20)
        assert again["t"] - silent_s < NOTICED_S
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)
        uplink = np.frombuffer(tap.calls[1].uplink(), "<i2")
        assert unlike_pieces(as_wire(said)[WIRE_RATE_HZ:], uplink, WIRE_RATE_HZ) == []  # behind "Hey Jarvis"
        assert stage.marks("notice") == []


async def _is_told(stage, after_s, code):
    """Check that the room hears of it, and that the status says what it was."""
    said = await stage.wait_for("notice", notice="offline", after_s=after_s)
    status = await stage.status()
    assert status["line"] == f'listening for "hey jarvis"; the service failed last time: {code}'
    assert (status["link"]["state"], status["microphone"]["uplink"]) == ("closed", "closed")
    await stage.until(said["t"] + 3.0)
    assert notice_likeness(stage.room, Notice.OFFLINE, said["t"], said["t"] + 3.0) > 0.9

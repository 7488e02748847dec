"""The service is there and says no: to who we are, to how we want it, to an answer."""

from __future__ import annotations

from speakerd.core.notices import Notice
from tests.fakes.room_tools import notice_likeness
from tests.fakes.stories import through
from tests.fakes.tap import Tap


async def test_a_credential_that_is_refused_is_told_and_not_tried_again_and_again(play, voice):
    """It is heard and shown; a fresh credential is tried once, then nothing until the next wake word."""
    async with play(replies=["One, two."], start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        tap.refuse_status = 401
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        lost = await stage.wait_for("link.lost", after_s=begun)
        assert lost["code"] == "link-http-401"
        await _is_heard(stage, Notice.MISCONFIGURED, lost["t"])
        status = await stage.status()
        assert status["line"] == 'listening for "hey jarvis"; the service failed last time: link-http-401'
        assert (status["trouble"], status["link"]["state"]) == ("link-http-401", "closed")
        assert len(tap.calls) <= 3, "one on a guess, one, and one with a fresh credential"
        tap.refuse_status = None
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)
        assert (await stage.status())["trouble"] is None


async def test_a_configuration_that_is_refused_still_gives_a_conversation(play, voice):
    """The session runs on the minimum, the answer is heard, and the owner is told by the status line."""
    config = {"conversation": {"follow_up_s": 1}}
    async with play(faults={"refuse_updates": 1}, replies=["One, two."], config=config) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)
        assert (await stage.status())["link"]["degraded"]
        await stage.wait_for("state", before="follow-up", after="idle", after_s=begun)
        status = await stage.status()
        assert status["trouble"] == "session-reduced"
        assert "the service refuses a part of the configuration" in status["line"]
        assert "going on with the minimum" in stage.log()
        assert stage.marks("notice") == []


async def test_an_answer_that_fails_for_want_of_quota_is_told(play, voice):
    """Nothing comes but the reason: it is heard and shown, and the user may try again without the wake word."""
    async with play(faults={"fail_responses": 1}, replies=["One, two."]) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        failed = await stage.wait_for("state", before="thinking", after="follow-up", after_s=begun)
        await _is_heard(stage, Notice.REFUSED, failed["t"])
        status = await stage.status()
        assert (status["trouble"], status["line"]) == ("insufficient_quota", "in conversation, turn 1")
        again, _ = stage.say(voice("What time is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=again, timeout_s=20)
        assert len(stage.marks("notice")) == len(stage.marks("wake")) == 1


async def _is_heard(stage, notice, after_s):
    said = await stage.wait_for("notice", notice=notice.value, after_s=after_s)
    await stage.until(said["t"] + 3.3)
    assert notice_likeness(stage.room, notice, said["t"], said["t"] + 3.3) > 0.9

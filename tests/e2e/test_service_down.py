"""Nobody answers at the service's address."""

from __future__ import annotations

from speakerd.core.notices import Notice
from tests.fakes.room_tools import notice_likeness


async def test_a_service_that_is_down_is_heard_and_told_and_found_again(play, voice):
    """The user is told that it did not work, the status line says why, and the next wake word works."""
    async with play(replies=["One, two."]) as stage:
        await stage.stop_service()
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="idle", after="listening", after_s=begun)
        failed = await stage.wait_for("link.lost", after_s=begun, timeout_s=20)
        assert failed["code"] == "link-refused"
        said = await stage.wait_for("notice", notice="offline", after_s=begun)
        line = (await stage.status())["line"]
        assert line == 'listening for "hey jarvis"; the service failed last time: link-refused'
        await stage.start_service()
        await stage.until(said["t"] + 4.0)
        assert notice_likeness(stage.room, Notice.OFFLINE, said["t"], said["t"] + 4.0) > 0.9
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="thinking", after="speaking", after_s=begun, timeout_s=20)
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)
        assert (await stage.status())["trouble"] is None


async def test_a_service_that_comes_up_while_the_user_waits_still_gets_the_question(play, voice):
    """A handshake that fails at first is tried again, and nothing that was said meanwhile is lost."""
    faults = {"http_status": 503, "first_connections": 2}
    async with play(faults=faults, replies=["One, two."]) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="thinking", after="speaking", after_s=begun, timeout_s=20)
        assert len(stage.marks("link.connecting")) == 3
        assert stage.marks("link.lost") == []

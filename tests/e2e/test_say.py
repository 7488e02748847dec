"""``speakerd say``: what somebody wrote is heard, word for word."""

from __future__ import annotations

import asyncio
import signal
import sys

from speakerd.demo.props import clean_environment
from tests.e2e.test_commands import tell
from tests.fakes.room_tools import plain

DINNER = "Dinner is ready, please come to the kitchen."


async def test_a_text_is_heard_word_for_word(play, neural_url):
    """By the assistant's voice, without a wake word; nothing of the room reaches the service."""
    async with play(config={"service": {"endpoint": neural_url}}, start_service=False) as stage:
        before_s = stage.room.now_s()
        said = await tell(stage, "say", DINNER)
        after_s = stage.room.now_s()
        assert (said.code, plain(said.out), said.err) == (0, plain(DINNER), "")
        audible = await stage.wait_for("audible", after_s=before_s)
        spans = stage.room.audible_spans(audible["t"] - 0.1, after_s + 0.5, gap_ms=400)
        assert spans[-1][1] - spans[0][0] > 1.5, "so long it takes to say"
        assert spans[-1][1] <= after_s + 0.1, "it answers when it has been heard"
        assert stage.marks("uplink", after_s=before_s) == []
        assert stage.marks("earcon", after_s=before_s) == [], "nobody is listened to, so nothing says when that ends"
        status = await stage.status()
        assert (status["line"], status["link"]["state"]) == ('listening for "hey jarvis"', "closed")
        await stage.until(after_s + 1.5)
        assert "begun=text ended=answered" in stage.log()


async def test_a_muted_speaker_says_it_all_the_same(play):
    """It does not listen, and need not."""
    async with play(replies=[DINNER]) as stage:
        await tell(stage, "mute")
        assert (await tell(stage, "say", "Dinner is ready.")).code == 0
        assert (await stage.status())["line"] == "muted"


async def test_texts_are_heard_one_after_the_other(play):
    """Two at once are two sentences, and neither is lost."""
    async with play(replies=["One.", "Two."]) as stage:
        first, second = await asyncio.gather(tell(stage, "say", "One."), tell(stage, "say", "Two."))
        assert (first.code, second.code) == (0, 0)
        assert len(stage.marks("audible")) == 2
        assert stage.marks("truncate") == []


async def test_a_text_that_waits_is_taken_back_by_ctrl_c(play):
    """It is not said later to a room where nobody knows of it any more."""
    long = "This is an announcement that goes on for long enough for somebody to change their mind about another."
    async with play(replies=[long, "Two.", "Three."]) as stage:
        first = asyncio.create_task(tell(stage, "say", "One."))
        await stage.wait_for("audible", timeout_s=20)
        arguments = [sys.executable, "-m", "speakerd", "say", "Two."]
        environment = {**clean_environment(), "SPEAKERD_SOCKET": str(stage.socket_path)}
        waiting = await asyncio.create_subprocess_exec(*arguments, env=environment, stderr=asyncio.subprocess.PIPE)
        await stage.until(stage.room.now_s() + 1.0)
        waiting.send_signal(signal.SIGINT)
        _, complaint = await waiting.communicate()
        assert (waiting.returncode, complaint) == (130, b"")
        assert (await first).code == 0
        assert (await tell(stage, "say", "Three.")).code == 0
        assert len(stage.marks("audible")) == 2


async def test_the_wake_word_cuts_it_and_listens(play, voice):
    """As it cuts any reply; whoever wrote is told."""
    replies = ["This is an announcement that goes on for so long that somebody will have enough of it.", "Fine."]
    words = voice("Hey Jarvis")  # takes seconds the first time: not while the announcement runs
    async with play(replies=replies) as stage:
        saying = asyncio.create_task(tell(stage, "say", "An announcement."))
        audible = await stage.wait_for("audible", timeout_s=20)
        stage.say(words, at_s=audible["t"] + 0.5)
        said = await saying
        assert said.code == 1
        assert "say-interrupted" in said.err
        assert (await stage.status())["phase"] == "listening"


async def test_a_service_that_cannot_be_reached_is_an_error_with_a_remedy(play):
    """Whoever wrote reads it; the room hears nothing."""
    async with play(start_service=False) as stage:
        before_s = stage.room.now_s()
        said = await tell(stage, "say", "Dinner is ready.")
        assert said.code == 1
        assert "speakerd status" in said.err
        assert stage.marks("notice", after_s=before_s) == []
        assert stage.marks("earcon", after_s=before_s) == []


async def test_stop_cuts_it(play):
    """And the command says that it was not heard to its end."""
    async with play(
        replies=["A long announcement that somebody does not want to hear to its end, as it were."]
    ) as stage:
        saying = asyncio.create_task(tell(stage, "say", "A long announcement."))
        audible = await stage.wait_for("audible", timeout_s=20)
        await stage.until(audible["t"] + 0.5)
        assert (await tell(stage, "stop")).code == 0
        assert "say-stopped" in (await saying).err


async def test_a_text_that_is_too_long_is_refused(play):
    """With what is allowed."""
    async with play(start_service=False) as stage:
        said = await tell(stage, "say", "word " * 300)
        assert said.code == 1
        assert "1000 are allowed" in said.err
        assert (await stage.status())["link"]["sessions"] == 0

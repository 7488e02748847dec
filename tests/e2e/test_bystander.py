"""In the follow-up window somebody speaks to somebody else."""

from __future__ import annotations

from speakerd.core.actions import Earcon
from tests.fakes.room_tools import earcon_likeness


async def test_speech_that_was_not_meant_for_it_is_waited_through(play, voice):
    """The model calls ``wait_for_user``: nothing is said to it, it listens on, answers what is meant for it, rests."""
    script = ["One, two.", "@wait_for_user", "Three, four.", "@wait_for_user"]
    async with play(config={"conversation": {"follow_up_s": 2.5}}, replies=script) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)
        aside, _ = stage.say(voice("Dinner is ready, are you coming?"))
        called = await stage.wait_for("call", function="wait_for_user", after_s=aside)
        waiting = await stage.wait_for("state", before="thinking", after="follow-up", after_s=aside)
        assert waiting["t"] - called["t"] < 0.5
        await stage.until(waiting["t"] + 0.5)
        assert stage.room.audible_spans(aside, stage.room.now_s()) == []
        meant, _ = stage.say(voice("And what day is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=meant, timeout_s=20)
        aside, _ = stage.say(voice("I am on my way."))
        waiting = await stage.wait_for("state", before="thinking", after="follow-up", after_s=aside)
        rested = await stage.wait_for("state", before="follow-up", after="idle", after_s=waiting["t"])
        assert rested["on"] == "DeadlinePassed"
        assert 2.3 <= rested["t"] - waiting["t"] <= 3.5
        await stage.until(rested["t"] + 0.6)
        assert stage.room.audible_spans(aside, rested["t"]) == []
        assert earcon_likeness(stage.room, Earcon.END, rested["t"], rested["t"] + 0.6) > 0.9
        said = [mark["text"] for mark in stage.marks("transcript") if mark["role"] == "assistant"]
        assert said == ["One, two.", "Three, four."]
        assert (await stage.status())["link"]["state"] == "closed"

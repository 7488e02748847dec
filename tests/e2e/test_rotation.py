"""A session comes to the end of its life in the middle of an evening."""

from __future__ import annotations

from tests.fakes.room_tools import plain
from tests.fakes.tap import Tap

LIFE_S = 12.0
"""Long enough for a question and its answer before the last quarter of it."""


async def test_a_new_session_takes_over_in_a_quiet_moment(play, voice):
    """It is renewed while the user may go on; the next question needs no wake word and is answered; nobody hears it."""
    faults = {"session_life_s": LIFE_S, "first_connections": 1}
    config = {"conversation": {"follow_up_s": 20}}
    async with play(tier="neural", faults=faults, config=config, start_daemon=False) as stage, Tap(stage.url) as tap:
        stage.url = tap.url
        await stage.start_daemon()
        begun, _ = stage.say(voice("Hey Jarvis, what is the capital of France?"))
        answered = await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)
        expiring = await stage.wait_for("link.expiring", after_s=begun, timeout_s=LIFE_S)
        assert expiring["t"] - stage.marks("link.up")[0]["t"] >= 0.75 * LIFE_S - 1.0
        # Said while the sessions change: nothing of it may be lost.
        asked, _ = stage.say(voice("What is the capital of Spain?"), at_s=expiring["t"] + 0.15)
        renewed = await stage.wait_for("link.up", after_s=expiring["t"])
        assert stage.marks("link.seeded", after_s=expiring["t"])[0]["messages"] == 2
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=asked, timeout_s=20)
        said = [(mark["role"], plain(mark["text"])) for mark in stage.marks("transcript", after_s=renewed["t"])]
        assert said == [("user", "what is the capital of spain"), ("assistant", "the capital of spain is madrid")]
        seeds = [message["item"] for message in tap.calls[-1].told("conversation.item.create")]
        assert [(item["role"], plain(item["content"][0]["text"])) for item in seeds] == [
            ("user", plain(stage.marks("transcript")[0]["text"])),
            ("assistant", "the capital of france is paris"),
        ]
        assert len(stage.marks("wake")) == 1
        assert stage.marks("earcon", after_s=answered["t"]) == stage.marks("notice") == stage.marks("link.lost") == []
        assert (await stage.status())["trouble"] is None
        assert tap.calls[0].close_code == 1000, "the old session ran into its end"

"""What was said a minute ago, in a conversation that begins anew."""

from __future__ import annotations

import pytest

from tests.fakes.room_tools import plain
from tests.fakes.tap import Tap


@pytest.mark.parametrize("minutes", [10, 0])
async def test_a_second_conversation_knows_the_first_one(play, voice, neural_url, minutes):
    """The new session is told who said what before it hears anything; with ``memory_minutes: 0`` it is told nothing."""
    conversation = {"memory_minutes": minutes, "follow_up_s": 0}
    async with (
        Tap(neural_url) as tap,
        play(config={"service": {"endpoint": tap.url}, "conversation": conversation}, start_service=False) as stage,
    ):
        begun, _ = stage.say(voice("Hey Jarvis, what is the capital of France?"))
        ended = await stage.wait_for("state", before="speaking", after="idle", after_s=begun, timeout_s=30)
        await stage.tell("wake")
        await stage.wait_for("link.up", after_s=ended["t"])
        await stage.wait_for("uplink", after_s=ended["t"])
        sent = list(tap.calls[-1].sent)
        seeds = [message["item"] for message in sent if message["type"] == "conversation.item.create"]
        assert tap.calls[0].told("conversation.item.create") == []
        if not minutes:
            assert seeds == []
            return
        heard = next(mark["text"] for mark in stage.marks("transcript") if mark["role"] == "user")
        said = [(item["role"], plain(item["content"][0]["text"])) for item in seeds]
        assert said == [("user", plain(heard)), ("assistant", "the capital of france is paris")]
        kinds = [message["type"] for message in sent]
        assert kinds.index("conversation.item.create") < kinds.index("input_audio_buffer.append")

"""``speakerd chat``: the service's quick start as a tool, on a pipe."""

from __future__ import annotations

import json
import re

import pytest

from speakerd.demo import simcard
from speakerd.demo.stage import cache_dir
from tests.fakes.command import speakerd


@pytest.fixture
async def alone(play):
    """Return a stage with a service and no daemon."""
    async with play(start_daemon=False) as stage:
        yield stage


async def chat(stage, *arguments, typed, config="", state=None):
    """Hold a chat with the stage's service and on its sound card."""
    file = stage.directory / "chat.yaml"
    file.write_text(config or f"service: {{provider: embedded, endpoint: '{stage.url}'}}\n")
    card = simcard.write_asound_conf(stage.directory, stage.room.path, simcard.build(cache_dir()), card=stage.card)
    env = {"ALSA_CONFIG_PATH": str(card), "STATE_DIRECTORY": str(state or stage.directory / "state")}
    return await speakerd("chat", "-c", str(file), *arguments, cwd=stage.directory, env=env, typed=typed)


async def test_a_message_is_answered_in_writing_and_aloud(alone):
    """Text in, transcript out, the reply heard in the room to its end; ``q`` ends it with 0."""
    begun = alone.room.now_s()
    ended = await chat(alone, typed="How are you?\nq\nnever read\n")
    assert ended.code == 0, ended.err
    assert "You wrote: How are you?" in ended.out
    assert ended.out.count("Enter a message: ") == 2
    assert ended.out.endswith("Conversation ended.\n")
    heard = alone.room.audible_spans(begun, alone.room.now_s(), gap_ms=300)
    assert sum(end - start for start, end in heard) == pytest.approx(1.4, abs=0.3)  # 23 letters of it


async def test_without_audio_the_sizes_are_shown(alone):
    """``--no-audio`` prints how much came, and plays nothing; the end of input is an end, too."""
    begun = alone.room.now_s()
    ended = await chat(alone, "--no-audio", typed="How are you?\n")
    assert ended.code == 0, ended.err
    assert "You wrote: How are you?" in ended.out
    (shown,) = re.findall(r"\(received ([\d +]+) bytes of audio\)", ended.out)
    sizes = [int(size) for size in shown.split(" + ")]
    assert len(sizes) > 1
    assert sum(sizes) / 48_000 == pytest.approx(1.4, abs=0.1)
    assert alone.room.opens("playback") == 0
    assert alone.room.audible_spans(begun, alone.room.now_s()) == []


async def test_an_error_event_is_shown_and_survived(play):
    """A refused setting is told, and the conversation goes on."""
    async with play(start_daemon=False, faults={"refuse_updates": 1}) as stage:
        ended = await chat(stage, "--no-audio", typed="How are you?\nq\n")
        assert ended.code == 0, ended.out
        assert "error " in ended.out
        assert "You wrote: How are you?" in ended.out


async def test_strict_stops_at_the_first_error_event(play):
    """``--strict`` ends with 1 and the error, as the quick start does."""
    async with play(start_daemon=False, faults={"refuse_updates": 1}) as stage:
        ended = await chat(stage, "--no-audio", "--strict", typed="How are you?\nq\n")
        assert ended.code == 1
        assert "service-error" in ended.out
        assert "You wrote" not in ended.out


async def test_a_service_that_is_down_is_told_with_its_code(alone):
    """It says what is wrong and what to do, and ends with 1."""
    await alone.stop_service()
    ended = await chat(alone, "--no-audio", typed="How are you?\nq\n")
    assert ended.code == 1
    assert "link-refused" in ended.out
    assert "what to do" in ended.out
    assert "Traceback" not in ended.out + ended.err


PRICED = """
service: {{provider: embedded, endpoint: '{url}'}}
budget: {{daily_usd: 0.01, prices: {{gpt-realtime: {{text_out: 1000, audio_out: 1000}}}}}}
"""


async def test_a_chat_is_paid_from_todays_budget(alone):
    """What it took is in the ledger; what is spent is told, ends the chat, and lets no other begin."""
    config = PRICED.format(url=alone.url)
    state = alone.directory / "state"
    first = await chat(alone, "--no-audio", typed="How are you?\nAnd now?\n", config=config, state=state)
    assert first.code == 0, first.err
    assert first.out.count("Enter a message: ") == 1
    assert "Today's budget of 0.01 USD is spent" in first.out
    (day,) = json.loads((state / "usage.json").read_text())["days"].values()
    assert day["turns"] == 1
    assert day["audio_out"] > 0
    again = await chat(alone, "--no-audio", typed="q\n", config=config, state=state)
    assert again.code == 1
    assert "Enter a message" not in again.out

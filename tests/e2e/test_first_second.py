"""A wake word that begins with the hearing itself: after a start, after a mute, after a microphone that was away."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.stories import until_line

FIRST_S = 0.05
"""So soon it is said: the first second of hearing holds the whole word."""


@pytest.mark.parametrize("suppressed", [False, True])
async def test_after_a_start(play, voice, suppressed):
    """The word begins when the microphone opens, before the daemon calls itself ready."""
    config = {"wake": {"noise_suppression": suppressed}}
    async with play(config=config, start_service=False, start_daemon=False) as stage:
        word = voice("Hey Jarvis")
        await stage.start_daemon(until_ready=False)
        await until_opened(stage, before=0)
        begun, _ = stage.say(word, at_s=stage.room.now_s() + FIRST_S)
        await stage.wait_for("wake", after_s=begun)
        status = (await stage.status())["wake"]
        assert (status["noise_suppression"], status["skipped_frames"]) == (suppressed, 0)


async def test_after_a_mute(play, voice):
    """What was said before it is not heard, what is said behind it is, by an engine that slept."""
    async with play(start_service=False) as stage:
        await until_asleep(stage)
        await stage.tell("mute")
        begun, end = stage.say(voice("Hey Jarvis"), at_s=stage.room.now_s() + FIRST_S)
        await stage.until(end + 0.6)
        await stage.tell("unmute")
        again, _ = stage.say(voice("Hey Jarvis"), at_s=stage.room.now_s() + FIRST_S)
        await stage.wait_for("wake", after_s=again)
        assert len(stage.marks("wake", after_s=begun)) == 1


@pytest.mark.parametrize("face", ["enodev", "epipe", "stall"])
async def test_after_a_microphone_came_back(play, voice, face):
    """The word begins when it is open again, whatever was wrong with it."""
    async with play(start_service=False) as stage:
        await until_asleep(stage)
        opened = stage.room.opens("capture")
        stage.room.set_fault("capture", face)
        await until_line(stage, "no microphone: retrying")
        stage.room.set_fault("capture", "none")
        await until_opened(stage, before=opened)
        begun, _ = stage.say(voice("Hey Jarvis"), at_s=stage.room.now_s() + FIRST_S)
        await stage.wait_for("wake", after_s=begun)
        assert (await stage.status())["microphone"]["losses"] == 1


async def until_opened(stage, before: int) -> None:
    """Wait until the microphone's card was opened once more."""
    end_s = stage.room.now_s() + 30.0
    while stage.room.opens("capture") <= before:
        assert stage.room.now_s() < end_s, f"nobody opens the microphone\n{stage.log()[-3000:]}"
        await asyncio.sleep(0.002)


async def until_asleep(stage) -> None:
    """Wait until the room was so quiet for so long that the engine sleeps."""
    end_s = stage.room.now_s() + 15.0
    while (await stage.status())["wake"]["gate_open"]:
        assert stage.room.now_s() < end_s, "the engine stays awake in a quiet room"
        await asyncio.sleep(0.05)

"""A microphone that is there and hears nothing: the speaker says so everywhere, and when it hears again."""

from __future__ import annotations

import asyncio

import numpy as np

from speakerd.core.mute_watch import SILENT_AFTER_S
from speakerd.core.notices import Notice
from speakerd.demo.room import ROOM_RATE_HZ
from speakerd.demo.simcard import CardProfile
from tests.e2e.test_commands import tell
from tests.fakes.room_tools import notice_likeness
from tests.fakes.service_manager import service_manager
from tests.fakes.stories import at_noon, until_line

ZEROS = "deaf: the microphone delivers only zeros; check its switch, cable or mixer"
STUCK = "deaf: the microphone is stuck at one value; plug it in anew, or check its cable"
LISTENING = 'listening for "hey jarvis"'

NOISELESS = CardProfile(rate_min_hz=ROOM_RATE_HZ, rate_max_hz=ROOM_RATE_HZ)
"""What is in the room is what it delivers, sample by sample."""


async def test_a_microphone_that_is_switched_off_is_said_to_be_deaf(play, voice):
    """In the status, the journal and by voice, once; it is no hang, and it hears again when it is switched on."""
    async with (
        service_manager() as manager,
        play(environment={**at_noon(), **manager.environment(6.0)}, replies=["One."]) as stage,
    ):
        stage.room.set_fault("capture", "zeros")
        begun_s = stage.room.now_s()
        said = await stage.wait_for("notice", after_s=begun_s, timeout_s=SILENT_AFTER_S + 5.0, notice="deaf")
        assert said["t"] - begun_s > SILENT_AFTER_S - 1.0
        status = await stage.status()
        assert (status["line"], status["microphone"]["deaf"]) == (ZEROS, "zeros")
        await stage.until(said["t"] + 8.0)
        assert notice_likeness(stage.room, Notice.DEAF, said["t"], said["t"] + 4.0) > 0.9
        assert stage.log().count("is deaf: nothing but zeros comes") == 1
        assert len(stage.marks("notice")) == 1
        assert len(manager.pings(said["t"])) >= 3, "it was to be killed"
        stage.room.set_fault("capture", "none")
        await until_line(stage, LISTENING)
        assert (await stage.status())["microphone"]["deaf"] is None
        assert "is not deaf any more" in stage.log()
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", after="speaking", after_s=begun, timeout_s=20)


async def test_one_that_becomes_deaf_in_an_answer_is_told_when_it_has_ended(play):
    """The answer is heard first, and nobody has to look at the status."""
    long = " ".join(["This is an answer that goes on for much longer than it takes to be called deaf."] * 4)
    async with play(environment=at_noon(), replies=[long], config={"conversation": {"barge_in": "off"}}) as stage:
        saying = asyncio.create_task(tell(stage, "say", "An announcement."))
        audible = await stage.wait_for("audible", timeout_s=20)
        stage.room.set_fault("capture", "zeros")
        await until_line(stage, "speaking by request, the microphone is shut")
        assert (await saying).code == 0
        ended = await stage.wait_for("state", before="speaking", after_s=audible["t"], timeout_s=40)
        assert ended["t"] - audible["t"] > SILENT_AFTER_S + 2.0, "it was deaf while it spoke"
        said = await stage.wait_for("notice", notice="deaf")
        assert said["t"] >= ended["t"] - 0.1
        await stage.until(said["t"] + 5.0)
        assert len(stage.marks("notice")) == 1


async def test_a_microphone_that_is_stuck_is_told_from_one_that_is_switched_off(play):
    """One value for ten seconds is no quiet room; what to do about it is something else."""
    async with play(environment=at_noon(), card=NOISELESS, start_service=False) as stage:
        stage.say(np.full(30 * ROOM_RATE_HZ, -3, np.int16), rate_hz=ROOM_RATE_HZ)
        await until_line(stage, STUCK, timeout_s=SILENT_AFTER_S + 8.0)
        assert (await stage.status())["microphone"]["deaf"] == "one value"
        await stage.wait_for("notice", notice="deaf")


async def test_a_quiet_room_is_not_deafness(play):
    """A microphone with less noise than any real one has, a third of its last bit."""
    card = CardProfile(noise_dbfs=-100.0)
    async with play(environment=at_noon(), card=card, start_service=False) as stage:
        await stage.until(stage.room.now_s() + SILENT_AFTER_S + 3.0)
        assert (await stage.status())["line"] == LISTENING
        assert stage.marks("notice") == []

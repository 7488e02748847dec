"""A microphone or a loudspeaker is unplugged, and comes back: every face of the loss."""

from __future__ import annotations

import pytest

from tests.fakes.stories import until_line

FACES = ("enodev", "eio", "epipe", "stall")


@pytest.mark.parametrize("face", FACES)
async def test_a_microphone_that_comes_back_hears_again(play, voice, face):
    """The status line says that there is none; when it is back, the wake word works."""
    async with play(start_service=False) as stage:
        stage.room.set_fault("capture", face)
        await until_line(stage, "no microphone: retrying")
        assert (await stage.status())["microphone"]["trouble"]
        stage.room.set_fault("capture", "none")
        await until_line(stage, 'listening for "hey jarvis"')
        stage.say(voice("Hey Jarvis"))
        await stage.wait_for("wake")
        assert (await stage.status())["microphone"]["losses"] == 1


@pytest.mark.parametrize("face", FACES)
async def test_a_loudspeaker_that_comes_back_speaks_again(play, voice, face):
    """Lost in an answer, the conversation ends; when it is back, the next answer is heard."""
    async with play(replies=["One, two, three, four, five, six, seven, eight.", "Nine."]) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("audible", after_s=begun, timeout_s=20)
        stage.room.set_fault("playback", face)
        await stage.wait_for("state", after="idle", after_s=begun)
        await until_line(stage, "no loudspeaker: retrying")
        assert (await stage.status())["link"]["state"] == "closed"
        stage.room.set_fault("playback", "none")
        await until_line(stage, 'listening for "hey jarvis"')
        again, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        audible = await stage.wait_for("audible", after_s=again, timeout_s=20)
        await stage.wait_for("state", before="speaking", after_s=again, timeout_s=20)
        assert stage.room.audible_spans(audible["t"], stage.room.now_s())


async def test_a_microphone_lost_while_the_user_speaks_ends_the_conversation(play, voice):
    """Without ears it cannot go on: the user is told, the link is closed, and it works again when it is back."""
    async with play(replies=["One, two."]) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, tell me everything that you know about the history of France."))
        await stage.wait_for("speech_started", after_s=begun)
        stage.room.set_fault("capture", "enodev")
        await stage.wait_for("state", before="listening", after="idle", on="DeviceLost", after_s=begun)
        await stage.wait_for("notice", notice="no-microphone", after_s=begun)
        status = await stage.status()
        assert status["line"] == "no microphone: retrying"
        assert status["link"]["state"] == "closed"
        stage.room.set_fault("capture", "none")
        await until_line(stage, 'listening for "hey jarvis"')
        # The refractory time counts in audio that was heard, so the next wake word comes two seconds of it later.
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"), at_s=stage.room.now_s() + 2.5)
        await stage.wait_for("state", after="speaking", after_s=begun, timeout_s=20)


async def test_a_microphone_lost_in_an_answer_does_not_spoil_it(play, voice):
    """The answer is heard to its end, then the conversation is over."""
    async with play(replies=["One, two, three, four, five, six, seven."]) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=20)
        stage.room.set_fault("capture", "enodev")
        ended = await stage.wait_for("state", before="speaking", after="idle", after_s=begun, timeout_s=20)
        assert ended["t"] - audible["t"] > 2.0
        await until_line(stage, "no microphone: retrying")

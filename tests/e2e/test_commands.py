"""What people tell the running daemon from a terminal."""

from __future__ import annotations

import json

from tests.fakes.command import speakerd

LONG = "This is an answer that is so long that somebody will want to end it before it has come to its end."


async def test_stop_falls_silent_and_ends_the_conversation(play, voice):
    """``speakerd stop`` in an answer: silence at once, the service is told what was heard, the link is closed."""
    async with play(replies=[LONG]) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=20)
        await stage.until(audible["t"] + 1.0)
        ended = await tell(stage, "stop")
        assert (ended.code, ended.out) == (0, 'listening for "hey jarvis"\n')
        flushed = await stage.wait_for("flush", after_s=audible["t"])
        chimed = await stage.wait_for("earcon", earcon="end", after_s=audible["t"])
        await stage.until(chimed["t"] + 1.5)
        spans = stage.room.audible_spans(audible["t"], chimed["t"] + 1.5, gap_ms=200)
        assert spans[-1][1] - flushed["t"] < 1.0  # the chime is part of it
        assert (await stage.status())["link"]["state"] == "closed"


async def test_mute_is_deaf_until_unmuted(play, voice):
    """``mute`` and ``unmute`` say what holds now, and ``status`` says the same."""
    async with play(start_service=False) as stage:
        assert (await tell(stage, "mute")).out == "muted\n"
        begun, said = stage.say(voice("Hey Jarvis"))
        await stage.until(said + 1.0)
        assert stage.marks("wake", after_s=begun) == []
        status = await tell(stage, "status")
        assert (status.code, status.out.splitlines()[0]) == (0, "muted")
        assert (await tell(stage, "unmute")).out == 'listening for "hey jarvis"\n'
        begun, _ = stage.say(voice("Hey Jarvis"))
        await stage.wait_for("wake", after_s=begun)


async def test_wake_listens_without_the_wake_word(play, voice):
    """``speakerd wake`` is the wake word; a question after it is answered."""
    async with play(replies=["One, two."]) as stage:
        assert (await tell(stage, "wake")).out == "in conversation, turn 1\n"
        begun, _ = stage.say(voice("What time is it?"))
        await stage.wait_for("state", before="thinking", after="speaking", after_s=begun, timeout_s=20)
        assert [mark["model"] for mark in stage.marks("wake")] == ["request"]


async def test_status_for_programs_holds_everything(play):
    """``status --json`` is one object: line, phase, both cards with their real rates, link, wake word."""
    async with play(start_service=False) as stage:
        ended = await tell(stage, "status", "--json")
        status = json.loads(ended.out)
        assert ended.code == 0
        assert status["line"] == 'listening for "hey jarvis"'
        assert status["phase"] == "idle"
        assert (status["microphone"]["found"], status["microphone"]["rate_hz"]) == (True, 48_000)
        assert (status["loudspeaker"]["found"], status["loudspeaker"]["rate_hz"]) == (True, 48_000)
        assert (status["link"]["state"], status["link"]["sessions"]) == ("closed", 0)
        assert status["wake"]["models"] == ["hey_jarvis"]


async def test_a_second_daemon_is_refused(play):
    """Two daemons would answer twice: the second one ends and says why, the first goes on."""
    async with play(start_service=False) as stage:
        ended = await speakerd("run", "-c", str(stage.config_path), cwd=stage.directory, env=terminal(stage))
        assert ended.code == 1
        assert "control-busy" in ended.err
        assert (await stage.status())["line"] == 'listening for "hey jarvis"'


async def test_nobody_there_is_exit_code_69(tmp_path):
    """Without a daemon the commands say how to start it."""
    ended = await speakerd("status", cwd=tmp_path, env={"SPEAKERD_SOCKET": str(tmp_path / "control.sock")})
    assert ended.code == 69
    assert "daemon-unreachable" in ended.err


def terminal(stage):
    """Return what makes a command talk to the stage's daemon."""
    return {"SPEAKERD_SOCKET": str(stage.socket_path), "ALSA_CONFIG_PATH": str(stage.directory / "asound.conf")}


async def tell(stage, *arguments):
    """Run a command against the stage's daemon."""
    return await speakerd(*arguments, cwd=stage.directory, env=terminal(stage))

"""The configuration changed while the daemon runs: by SIGHUP, as ``systemctl reload`` does it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time

import pytest

from speakerd.core.state import OUTDATED
from speakerd.demo.stage import merged
from tests.fakes.stories import processes_in, through, until_line
from tests.fakes.tap import Tap

WAITING = 'listening for "hey jarvis"'

RELOADED_S = 60.0
"""Longest wait for a reload: the file is read twice within 0.3 s, a wake word engine takes a second of a busy core, the
embedded service five."""


async def test_another_voice_is_in_the_next_session(play, voice):
    """What the service is told is the new file's, the journal says what changed; read again, nothing has."""
    async with play(replies=["One, two."], start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        await converse(stage, voice)
        new = {
            "assistant": {"voice": "cedar", "instructions": "You are a pirate.", "speed": 1.25},
            "turn_detection": {"silence_duration_ms": 400},
            "service": {"session": {"max_output_tokens": 500}},
        }
        known = await reload(stage, new)
        assert (known["last_reload"]["outcome"], known["next_conversation"]) == ("changed", [])
        await converse(stage, voice)
        before, after = (call.told("session.update")[0]["session"] for call in tap.calls)
        assert (before["audio"]["output"]["voice"], after["audio"]["output"]["voice"]) == ("marin", "cedar")
        assert after["instructions"] == "You are a pirate."
        assert after["audio"]["output"]["speed"] == 1.25
        assert after["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 400
        assert after["max_output_tokens"] == 500
        log = stage.log()
        assert "configuration: 5 changes: assistant.voice marin -> cedar; " in log
        assert "service.session (max_output_tokens)" in log
        assert (await reload(stage))["last_reload"]["outcome"] == "unchanged"
        assert "configuration: nothing changed" in stage.log()


async def test_a_conversation_goes_on_as_it_began(play, voice):
    """A voice and a card change when it is over, at once; a shorter window and the journal change in it."""
    config = {"conversation": {"follow_up_s": 30}}
    replies = ["One, two.", "Three, four.", "Five."]
    async with play(config=config, replies=replies, start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", after="follow-up", after_s=begun, timeout_s=20)
        new = {
            "assistant": {"voice": "cedar"},
            "audio": {"capture": {"device": "mic"}, "playback": {"device": "speaker"}},
            "conversation": {"follow_up_s": 1.5},
            "log": {"transcripts": True},
        }
        waits = ["assistant.voice", "audio.capture.device", "audio.playback.device"]
        assert (await reload(stage, new))["next_conversation"] == waits
        assert "with the next conversation: assistant.voice marin -> cedar; audio.capture.device" in stage.log()
        asked, _ = stage.say(voice("And what day is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=asked, timeout_s=20)
        status = await stage.status()
        assert status["microphone"]["device"] == status["loudspeaker"]["device"] == "default"
        assert len(tap.calls) == 1
        assert [told["session"]["audio"]["output"]["voice"] for told in tap.calls[0].told("session.update")] == [
            "marin"
        ]
        assert "assistant: Three, four." in stage.log()
        await stage.wait_for("state", before="follow-up", after="idle", after_s=asked, timeout_s=6)
        assert (await stage.status())["configuration"]["next_conversation"] == []
        await until_device(stage, "microphone", "mic")
        await until_device(stage, "loudspeaker", "speaker")
        await converse(stage, voice)
        assert tap.calls[-1].told("session.update")[0]["session"]["audio"]["output"]["voice"] == "cedar"
        assert "is not there" not in stage.log(), "nobody may be told that a card is lost"


async def test_a_wrong_file_keeps_the_old_one_and_says_where(play, voice):
    """The journal and the status name each place, the status line what to do; a good file ends that."""
    async with play(replies=["One, two."]) as stage:
        good = stage.config_path.read_text()
        stage.config_path.write_text('assistant:\n  voise: cedar\nwake:\n  threshold: "loud"\n')
        known = (await hang_up(stage))["last_reload"]
        assert known["outcome"] == "wrong"
        places = [f"{stage.config_path}:2:3: assistant.voise", f"{stage.config_path}:4:14: wake.threshold"]
        for place, problem in zip(places, known["problems"], strict=True):
            assert problem.startswith(place)
            assert f"configuration: {place}" in stage.log()
        await until_line(stage, f"{WAITING}; {OUTDATED}")
        await converse(stage, voice)

        stage.config_path.unlink()
        known = (await hang_up(stage))["last_reload"]
        assert (known["outcome"], len(known["problems"])) == ("wrong", 1)
        assert "No such file" in known["problems"][0]

        stage.config_path.write_text(good[: len(good) // 2])
        assert (await hang_up(stage))["last_reload"]["outcome"] == "wrong"

        stage.config_path.write_text(good)
        assert (await hang_up(stage))["last_reload"]["outcome"] == "unchanged"
        await until_line(stage, WAITING)


async def test_another_wake_word_is_heard_without_a_hole(play, voice):
    """It is taken up while the old one is being heard; one that is not there changes nothing, nor does a wrong part."""
    async with play(replies=["One, two."]) as stage:
        known = await reload(stage, {"wake": {"models": ["/nowhere/hey_you.onnx"]}, "assistant": {"voice": "cedar"}})
        assert known["last_reload"]["outcome"] == "wrong"
        assert "/nowhere/hey_you.onnx" in known["last_reload"]["problems"][0]
        await converse(stage, voice)
        await reload(stage, {"wake": {"models": ["alexa", "hey_jarvis"], "refractory_s": 1.0}})
        assert (await stage.status())["line"] == 'listening for "alexa" or "hey jarvis"'
        begun, _ = stage.say(voice("Alexa"))
        assert (await stage.wait_for("wake", after_s=begun))["model"] == "alexa"
        await stage.tell("stop")
        status = await stage.status()
        assert (status["wake"]["models"], status["wake"]["skipped_frames"]) == (["alexa", "hey_jarvis"], 0)
        # In the very moment in which another engine takes over somebody says the word.
        await stage.until(stage.room.now_s() + 2.0)  # the wake word is deaf for so long
        begun, _ = stage.say(voice("Hey Jarvis"), at_s=stage.room.now_s() + 0.1)
        await reload(stage, {"wake": {"engine": "openwakeword", "gate": False}})
        assert (await stage.wait_for("wake", after_s=begun))["model"] == "hey_jarvis"
        status = await stage.status()
        assert (status["wake"]["engine"], status["wake"]["skipped_frames"]) == ("openwakeword", 0)


async def test_a_threshold_counts_at_once(play, voice):
    """Out of reach, the wake word wakes nobody; back again, it does."""
    async with play(replies=["One, two."]) as stage:
        await reload(stage, {"wake": {"threshold": 1}})
        begun, end = stage.say(voice("Hey Jarvis"))
        await stage.until(end + 1.0)
        assert stage.marks("wake", after_s=begun) == []
        await reload(stage, {"wake": {"threshold": "normal"}})
        await converse(stage, voice)


async def test_money_counts_at_once(play, voice):
    """A budget that is spent already ends conversations, a larger one allows them again."""
    prices = {"gpt-realtime": {"audio_in": 1000.0, "audio_out": 1000.0}}
    async with play(config={"budget": {"prices": prices}}, replies=["One, two."]) as stage:
        await converse(stage, voice)
        assert (await reload(stage, {"budget": {"daily_usd": 0.01}}))["last_reload"]["changes"] == [
            "budget.daily_usd null -> 0.01"
        ]
        await until_line(stage, "today's budget is spent: no conversation before tomorrow")
        await reload(stage, {"budget": {"daily_usd": 100}})
        await converse(stage, voice)


async def test_a_service_elsewhere_is_used_with_the_next_conversation(play, voice, tmp_path):
    """Another address, another model, and a key that signs us in there: nothing of it needs a start."""
    key = tmp_path / "key"
    key.write_text("secret-1\n")
    key.chmod(0o600)
    async with play(replies=["One, two."]) as stage, Tap(stage.url) as tap:
        await converse(stage, voice)
        elsewhere = {
            "service": {"provider": "azure", "endpoint": tap.url, "model": "kitchen"},
            "auth": {"method": "api_key", "api_key_file": str(key)},
        }
        known = await reload(stage, elsewhere)
        assert known["next_conversation"] == []
        assert (await stage.status())["sign_in"]["method"] == "api_key"
        await converse(stage, voice)
        assert "model=kitchen" in tap.calls[0].path
        assert tap.calls[0].headers["api-key"] == "secret-1"
        assert "secret-1" not in stage.log()
        # The embedded service that speakerd starts itself comes and goes as well.
        own = {"service": {"provider": "embedded", "endpoint": None}, "auth": {"method": "none", "api_key_file": None}}
        assert (await reload(stage, own))["last_reload"]["outcome"] == "changed"
        await converse(stage, voice)
        assert len(tap.calls) == 1
        assert len(services(stage)) == 2
        await reload(stage, elsewhere)
        await converse(stage, voice)
        assert len(tap.calls) == 2
        assert len(services(stage)) == 1


async def test_hangups_at_any_moment(play, voice):
    """Before the daemon is up, twice in a row, and while it ends: none is fatal, and the last file holds."""
    async with play(replies=["One, two."], start_daemon=False) as stage:
        await stage.start_daemon(until_ready=False)
        while "configuration: " not in stage.log():
            await stage.until(stage.room.now_s() + 0.02)
        write(stage, {"assistant": {"voice": "ash"}})
        os.kill(stage.daemon.pid, signal.SIGHUP)
        for part in ("microphone", "loudspeaker", "wake word"):
            await stage.wait_for("ready", part=part, timeout_s=60)
        await until_told(stage, "assistant.voice marin -> ash")
        for name in ("ballad", "coral"):
            write(stage, {"assistant": {"voice": name}})
            os.kill(stage.daemon.pid, signal.SIGHUP)
        await until_told(stage, "-> coral")
        await converse(stage, voice)
        os.kill(stage.daemon.pid, signal.SIGHUP)
        assert await stage.stop_daemon() == 0


async def test_systemd_is_told_when_a_reload_begins_and_ends(play, tmp_path):
    """``systemctl reload`` waits for it, after a good file and a wrong one alike, and sees what is wrong."""
    pytest.importorskip("systemd.daemon", reason="systemd-python is not built here")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(RELOADED_S)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        async with play(environment=environment, start_service=False) as stage:
            assert await told(manager, "READY=1") == []
            await reload(stage, {"assistant": {"voice": "cedar"}})
            begun, *between = await told(manager, "READY=1")
            while not begun.startswith("RELOADING=1"):  # the status line of the start
                begun, *between = between
            moment_us = int(begun.removeprefix("RELOADING=1\nMONOTONIC_USEC="))
            assert 0 < time.monotonic_ns() // 1000 - moment_us < RELOADED_S * 1e6
            assert between == []
            stage.config_path.write_text("assistant: {voise: x}")
            await hang_up(stage)
            begun, *between = await told(manager, "READY=1")
            assert begun.startswith("RELOADING=1")
            assert between == [f"STATUS={WAITING}; {OUTDATED}"]


async def told(manager, end):
    """Return what the service manager was told before this, in order."""
    heard = []
    while not heard or heard[-1] != end:
        heard.append((await asyncio.to_thread(manager.recv, 4096)).decode())
    return heard[:-1]


def services(stage):
    """Return the commands of the embedded services that run: the stage's own, and the daemon's if there is one."""
    return [command for command in processes_in(stage.directory) if " emulate " in command]


def write(stage, new):
    """Change keys of the configuration, as a careful editor does: the file is replaced whole."""
    now = json.loads(stage.config_path.read_text())
    fresh = stage.config_path.with_suffix(".new")
    fresh.write_text(json.dumps(merged(now, new), indent=2) + "\n")
    fresh.replace(stage.config_path)


async def reload(stage, new=None):
    """Change keys of the configuration and have it read again; return what the status says of it then."""
    write(stage, new or {})
    return await hang_up(stage)


async def hang_up(stage):
    """Send the signal; return what the status says once the file was read."""
    asked_s = stage.room.now_s()
    os.kill(stage.daemon.pid, signal.SIGHUP)
    await stage.wait_for("reload", after_s=asked_s, timeout_s=RELOADED_S)
    return (await stage.status())["configuration"]


async def converse(stage, voice):
    """Hold one turn, and end the conversation behind the reply."""
    await until_ears(stage)
    begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
    await stage.wait_for("state", before="speaking", after_s=begun, timeout_s=20)
    await stage.tell("stop")
    await stage.until(stage.room.now_s() + 2.0)  # the wake word is deaf for so long


async def until_ears(stage):
    """Wait until both cards are open."""
    for part in ("microphone", "loudspeaker"):
        await until_device(stage, part)


async def until_told(stage, words):
    """Wait until the journal says this."""
    end_s = stage.room.now_s() + RELOADED_S
    while words not in stage.log():
        assert stage.room.now_s() < end_s, stage.log()[-2000:]
        await stage.until(stage.room.now_s() + 0.05)


async def until_device(stage, part, device=None):
    """Wait until a sound card is open, and the one that is wanted."""
    end_s = stage.room.now_s() + 5.0
    while True:
        status = (await stage.status())[part]
        if status["found"] and device in (None, status["device"]):
            return
        assert stage.room.now_s() < end_s, status
        await stage.until(stage.room.now_s() + 0.05)

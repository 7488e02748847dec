"""``speakerd doctor``: the real command on a card whose echo is known, and services that are well and that are not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from speakerd.core.settings import Audio
from speakerd.demo import simcard
from speakerd.demo.simcard import CardProfile
from speakerd.demo.stage import cache_dir
from speakerd.doctor.report import Verdict
from speakerd.doctor.sound import run_loop
from tests.fakes.command import environment, speakerd
from tests.fakes.stories import processes_in
from tests.fakes.tap import Tap

if TYPE_CHECKING:
    from pathlib import Path

    from speakerd.demo.stage import Stage

ROOM = CardProfile(echo_gain_db=-12.0, echo_delay_ms=35.0, noise_dbfs=-65.0)
"""A loudspeaker and a microphone whose way from one to the other is known."""

CHIRP_DBFS = -18.2
"""The level of a chirp as it is played (measured)."""

PATIENCE_S = 100.0


def connect(stage: Stage, card: CardProfile | None = ROOM, playback_card: CardProfile | None = None) -> dict[str, str]:
    """Return the environment in which the stage's room is the sound card; without a card there is none."""
    conf = stage.directory / "none.conf"
    if card is None:
        conf.write_text("")
    else:
        plugin = simcard.build(cache_dir())
        conf = simcard.write_asound_conf(
            stage.directory, stage.room.path, plugin, card=card, playback_card=playback_card
        )
    return {
        "ALSA_CONFIG_PATH": str(conf),
        "STATE_DIRECTORY": str(stage.directory / "state"),
        "SPEAKERD_SOCKET": str(stage.socket_path),
    }


def written(stage: Stage, url: str | None = None, **sections: Any) -> Path:
    """Write a configuration and return where it is."""
    file = stage.directory / "doctor.yaml"
    service = {"provider": "embedded", "endpoint": url or stage.url}
    file.write_text(json.dumps({"service": service} | sections))
    return file


async def examined(stage: Stage, file: Path, env: dict[str, str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the command; return its exit code and every check by its name."""
    ended = await speakerd("doctor", "--json", "-c", str(file), cwd=stage.directory, env=env, patience_s=PATIENCE_S)
    found = json.loads(ended.out)
    checks = {check["check"]: check for group in found["groups"] for check in group["checks"]}
    assert sum(found["counts"].values()) == sum(len(group["checks"]) for group in found["groups"])
    assert found["ok"] is (ended.code == 0) is (found["counts"]["fail"] == 0)
    return ended.code, checks


def verdicts(checks: dict[str, dict[str, Any]], *names: str) -> set[str]:
    return {checks[name]["verdict"] for name in names}


async def test_a_speaker_that_is_well(play):
    """Exit code 0, and every figure is the room's own: its delay, its level, its noise, its clocks."""
    async with play(start_daemon=False, replies=["Hello there."]) as stage:
        other = CardProfile(ppm=60.0)
        code, checks = await examined(stage, written(stage), connect(stage, playback_card=other))
        assert code == 0, checks
        assert checks["chirp"]["verdict"] == "pass", checks
        assert checks["chirp"]["data"]["heard"] == 5
        assert checks["chirp"]["data"]["delay_ms"] == pytest.approx(35.0, abs=1.5)
        assert checks["level"]["data"]["level_dbfs"] == pytest.approx(CHIRP_DBFS - 12.0, abs=1.0)
        assert checks["noise"]["data"]["noise_dbfs"] == pytest.approx(-65.0, abs=1.0)
        assert checks["clocks"]["data"]["drift_ppm"] == pytest.approx(-60.0, abs=15.0)
        assert checks["echo"]["data"]["removed_db"] > 8
        assert checks["microphone"]["data"]["rate_hz"] == 48_000
        assert verdicts(checks, "models", "engine", "dns", "tcp", "tls", "token", "update") == {"pass"}
        assert checks["daemon"]["verdict"] == "warn"
        assert checks["session"]["data"]["opened_ms"] < 5_000
        assert checks["first-audio"]["data"]["spoken_ms"] > 200


async def test_a_running_daemon_keeps_its_cards(play):
    """What it knows of them is told, how to have the chirp as well; everything else is looked at, nothing fails."""
    async with play(card=ROOM, replies=["Hello there."]) as stage:
        opens = stage.room.opens("playback")
        code, checks = await examined(stage, written(stage), connect(stage))
        assert code == 0, checks
        assert "listening" in checks["daemon"]["detail"]
        assert "held by the daemon: 48000 Hz" in checks["microphone"]["detail"]
        assert checks["chirp"]["verdict"] == "warn"
        assert "systemctl stop speakerd" in checks["chirp"]["advice"]
        assert verdicts(checks, "loudspeaker", "engine", "session", "first-audio") == {"pass"}
        assert stage.room.opens("playback") == opens
        assert (await stage.status())["phase"] == "idle"


async def test_a_machine_without_a_card(play):
    """It fails, says what to do, and looks at the rest."""
    async with play(start_daemon=False, replies=["Hello there."]) as stage:
        code, checks = await examined(stage, written(stage), connect(stage, card=None))
        assert code == 1
        assert verdicts(checks, "microphone", "loudspeaker") == {"fail"}
        assert checks["microphone"]["data"]["code"] == "device-missing"
        assert "speakerd devices" in checks["microphone"]["advice"]
        assert checks["chirp"]["verdict"] == "warn"
        assert verdicts(checks, "session", "update", "first-audio") == {"pass"}


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "speakerd login"), (403, "Cognitive Services OpenAI User"), (404, "deployment")]
)
async def test_a_service_that_does_not_let_us_in(play, status, advice):
    """The network is well, so that is not looked for there."""
    async with play(start_daemon=False) as stage, Tap(stage.url) as tap:
        tap.refuse_status = status
        code, checks = await examined(stage, written(stage, tap.url), connect(stage, card=None))
        assert code == 1
        assert checks["tcp"]["verdict"] == "pass"
        assert checks["session"]["verdict"] == "fail"
        assert checks["session"]["data"]["code"] == f"link-http-{status}"
        assert advice in checks["session"]["advice"]
        assert len(tap.calls) == (2 if status == 401 else 1)


async def test_a_configuration_that_the_service_does_not_like(play):
    """A warning that says what it does not like: conversations go on without it."""
    async with play(start_daemon=False, faults={"refuse_updates": 1}, replies=["Hello there."]) as stage:
        _, checks = await examined(stage, written(stage), connect(stage, card=None))
        assert checks["update"]["verdict"] == "warn"
        assert checks["update"]["data"]["code"] == "session-reduced"
        assert checks["first-audio"]["verdict"] == "pass"


async def test_a_host_that_nobody_knows_and_nobody_signed_in(play):
    """Of each chain the first link that is broken is told, and what hangs on it is not blamed."""
    async with play(start_daemon=False, start_service=False) as stage:
        client = "01234567-89ab-cdef-0123-456789abcdef"
        service = {"provider": "azure", "endpoint": "https://no-such-host.invalid"}
        file = written(stage, service=service, auth={"method": "device_code", "client": client})
        code, checks = await examined(stage, file, connect(stage, card=None))
        assert code == 1
        assert (checks["dns"]["verdict"], checks["dns"]["data"]["code"]) == ("fail", "link-dns")
        assert verdicts(checks, "tcp", "tls", "session", "update", "first-audio") == {"warn"}
        assert checks["tcp"]["detail"] == "not looked at: dns failed"
        assert checks["token"]["verdict"] == "fail"
        assert checks["token"]["data"]["code"] == "auth-signed-out"
        assert "speakerd login" in checks["token"]["advice"]


async def test_an_archive_of_it(play):
    """It can be unpacked, holds the same findings, and only its owner may read it."""
    async with play(start_daemon=False, start_service=False) as stage:
        path = stage.directory / "report.tar.gz"
        file = written(stage, "ws://127.0.0.1:9/v1")
        ended = await speakerd(
            *("doctor", "-c", str(file), "--bundle", str(path)),
            cwd=stage.directory,
            env=connect(stage, card=None),
            patience_s=PATIENCE_S,
        )
        assert ended.code == 1
        assert "nothing listens at 127.0.0.1 port 9" in ended.out
        assert f"wrote {path}" in ended.out
        assert path.stat().st_mode & 0o777 == 0o600
        with tarfile.open(path) as archive:
            stored = archive.extractfile("speakerd-report/doctor.json")
            assert stored is not None
            assert json.load(stored)["counts"]["fail"] > 2


async def test_an_interrupted_one_tells_what_it_knows(play):
    """Ctrl-C while the chirps play: the lines so far stand there, the exit code is the shell's, nobody plays on."""
    async with play(start_daemon=False) as stage:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "speakerd", "doctor", "-c", str(written(stage))),
            cwd=stage.directory,
            env=environment(**connect(stage)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not stage.room.opens("playback"):  # noqa: ASYNC110 - what happens in the room wakes nobody here
                    await asyncio.sleep(0.05)
                process.send_signal(signal.SIGINT)
                out, err = await process.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        assert (process.returncode, err.decode()) == (130, "")
        assert "  pass  configuration: " in out.decode()
        assert "interrupted: 1 passed, 2 to know" in out.decode()
        assert [command for command in processes_in(stage.directory) if "doctor.loop" in command] == []


async def test_a_card_that_hangs_is_not_waited_for(play, monkeypatch):
    """The process that waits for it is ended; the line says where it hung."""
    async with play(start_daemon=False, start_service=False) as stage:
        for name, value in connect(stage).items():
            monkeypatch.setitem(os.environ, name, value)
        stage.room.set_fault("playback", "stall")
        lines = {line.check: line for line in await run_loop(Audio(), timeout_s=8.0)}
        assert lines["microphone"].verdict is Verdict.PASS
        assert lines["chirp"].verdict is Verdict.FAIL
        assert "hangs" in lines["chirp"].detail


async def test_the_owner_says_the_wake_word(play, voice):
    """It is asked for once the microphone listens, and scored as it comes through the room."""
    async with play(start_daemon=False, start_service=False) as stage:
        file = written(stage, "ws://127.0.0.1:9/v1")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "speakerd", "doctor", "--say", "-c", str(file)),
            cwd=stage.directory,
            env=environment(**connect(stage)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        out = ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while line := (await process.stdout.readline()).decode():
                    out += line
                    if 'say "hey jarvis" now' in line:
                        stage.say(voice("Hey Jarvis"))
                await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        assert process.returncode == 1, "there is no service"
        (said,) = [line for line in out.splitlines() if "said by you" in line]
        assert said.startswith("  pass  said: ")
        assert float(said.split('"hey jarvis" ')[1].split(";")[0]) > 0.9

"""The Python quick start against ``speakerd emulate``: with its two mistakes, and put right."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.emulator import Emulator, emulating
from tests.fakes.command import environment

PROGRAM = Path(__file__).parent / "python" / "quick_start.py"
MISSPELT = "session.audio.input.turn_detection.create_responese"


@pytest.fixture(scope="module")
def plain() -> Iterator[Emulator]:
    with emulating() as emulator:
        yield emulator


def run(emulator: Emulator, *corrections: str, typed: str = "hello\nq\n") -> tuple[list[str], list[str]]:
    """Run the program to its end; return what it said and which errors it was sent."""
    trust = {"SSL_CERT_FILE": str(emulator.certificate)} if emulator.certificate else {}
    ran = subprocess.run(
        (sys.executable, str(PROGRAM), *corrections),
        input=typed,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment(
            AZURE_OPENAI_ENDPOINT=emulator.endpoint,
            AZURE_OPENAI_DEPLOYMENT_NAME="gpt-realtime",
            FAKE_TOKEN="fake",
            **trust,
        ),
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines(), ran.stderr.splitlines()


def heard(lines: list[str]) -> list[int]:
    """Return the sizes of the audio deltas."""
    return [int(line.removeprefix("audio ")) for line in lines if line.startswith("audio ")]


def written(lines: list[str]) -> str:
    """Return what the transcript's deltas add up to."""
    return "".join(line.removeprefix("text ") for line in lines if line.startswith("text "))


@pytest.mark.parametrize(
    ("corrections", "errors"),
    [
        ((), ["error missing_required_parameter session.type"]),
        (("type",), [f"error unknown_parameter {MISSPELT}"]),
        (("type", "create_response"), []),
    ],
    ids=["as printed", "one mistake left", "put right"],
)
def test_it_completes_a_turn(plain: Emulator, corrections: tuple[str, ...], errors: list[str]) -> None:
    """Each mistake gets the service's own error and costs the update, not the session: a turn completes."""
    lines, told = run(plain, *corrections)
    assert told == errors
    assert written(lines) == "You wrote: hello"
    assert lines[-1] == "ended"


def test_audio_comes_in_deltas_of_the_service_size(plain: Emulator) -> None:
    """Deltas hold 100 to 600 ms of audio, the first ones the least, and the words never come behind the sound."""
    lines, _ = run(plain, "type", "create_response", typed="tell me something that takes a good while to say\nq\n")
    sizes = heard(lines)
    assert sizes[:3] == [4800, 7200, 12000]
    assert all(size <= 28800 and size % 2 == 0 for size in sizes)
    assert lines[0].startswith("text ")


def test_several_messages_are_one_conversation(plain: Emulator) -> None:
    """The loop of the quick start asks again in the same session."""
    lines, _ = run(plain, "type", "create_response", typed="one\ntwo\nq\n")
    assert written(lines) == "You wrote: oneYou wrote: two"


def test_it_runs_over_tls_as_it_stands() -> None:
    """With an ``https`` endpoint, as printed, and the certificate trusted by the standard variable."""
    with emulating("--tls") as emulator:
        lines, told = run(emulator, "type", "create_response")
    assert (emulator.scheme, told) == ("wss", [])
    assert written(lines) == "You wrote: hello"

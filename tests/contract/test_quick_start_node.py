"""The JavaScript and TypeScript quick starts against ``speakerd emulate --tls``: their SDK knows ``wss`` only."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.emulator import Emulator, emulating
from tests.contract.environments import HERE, node_environment
from tests.fakes.command import environment

pytestmark = pytest.mark.timeout(300)  # the first run installs


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the programs and everything they import; TypeScript is compiled and so checked."""
    installed = node_environment()
    folder = tmp_path_factory.mktemp("node")
    for file in (HERE / "node").iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    (folder / "node_modules").symlink_to(installed / "node_modules")
    return folder


@pytest.fixture(scope="module")
def secure(workshop: Path) -> Iterator[Emulator]:
    with emulating("--tls", script=["Hello to you. What can I do?"]) as emulator:
        yield emulator


def node(workshop: Path, program: str, emulator: Emulator, *, trust: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    extra = {"NODE_EXTRA_CA_CERTS": str(emulator.certificate)} if trust else {}
    return subprocess.run(
        ("node", program),
        cwd=workshop,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(
            AZURE_OPENAI_ENDPOINT=emulator.endpoint,
            AZURE_OPENAI_DEPLOYMENT_NAME="gpt-realtime",
            FAKE_TOKEN="fake",
            **extra,
        ),
    )


def check_turn(ran: subprocess.CompletedProcess[str]) -> None:
    """Hold a run against what the quick start prints: both greetings, words, sound, and the final transcript."""
    assert ran.returncode == 0, ran.stderr
    lines = [line.partition(" ") for line in ran.stdout.splitlines()]
    told = {kind: [rest for k, _, rest in lines if k == kind] for kind, _, _ in lines}
    assert told["created"] == told["updated"]
    assert told["created"][0].startswith("sess_")
    assert told["response"][0].startswith("resp_")
    assert "".join(json.loads(word) for word in told["text"]) == "Hello to you. What can I do?"
    assert [int(size) for size in told["audio"]][:2] == [4800, 7200]
    assert told["final"] == ["Hello to you. What can I do?"]
    assert ran.stdout.splitlines()[-1] == "completed"


def test_javascript(workshop: Path, secure: Emulator) -> None:
    """The JavaScript quick start completes a turn and prints the final transcript."""
    check_turn(node(workshop, "greet.js", secure))


def test_typescript(workshop: Path, secure: Emulator) -> None:
    """The TypeScript quick start compiles strictly against the SDK's types, completes a turn, prints the transcript."""
    tsc = subprocess.run(
        ("node", "node_modules/typescript/bin/tsc"), cwd=workshop, capture_output=True, text=True, check=False
    )
    assert tsc.returncode == 0, tsc.stdout
    check_turn(node(workshop, "greet_typed.js", secure))


def test_certificate_is_what_makes_it_trusted(workshop: Path, secure: Emulator) -> None:
    """Without the certificate the client refuses: nothing else on the machine vouches for it."""
    ran = node(workshop, "greet.js", secure, trust=False)
    assert ran.returncode != 0
    assert "self-signed certificate" in ran.stderr or "unable to verify" in ran.stderr

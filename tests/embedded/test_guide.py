"""What ``emulate`` prints for people: every command is run as it stands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from speakerd.core.settings import Settings
from speakerd.embedded import guide
from speakerd.embedded.certificate import throw_away
from speakerd.embedded.emulate import read_key
from speakerd.embedded.guide import Place
from speakerd.embedded.options import Options
from speakerd.embedded.server import EmbeddedService
from speakerd.embedded.spawn import parse_announcement
from speakerd.embedded.tiers import scripted
from tests.fakes.command import environment

REPLY = "I can hum."


@contextlib.asynccontextmanager
async def serving(*, tls: bool, key_file: Path | None) -> AsyncIterator[Place]:
    """Serve with what ``emulate`` would use, and tell where."""
    with throw_away([]) if tls else contextlib.nullcontext() as encryption:
        options = Options(
            tls=encryption.context if encryption else None,
            api_key=read_key(key_file) if key_file else None,
            fault_control=True,
        )
        async with EmbeddedService(scripted([REPLY]), options=options) as service:
            trust = encryption.trust if encryption else None
            yield Place(service.url, trust=trust, key_file=key_file, fault_control=True)


@pytest.fixture(params=[False, True], ids=["any-key", "own-key"])
def key_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    if not request.param:
        return None
    path = tmp_path / "the key"
    path.write_text("open-sesame")
    return path


@pytest.fixture(params=[False, True], ids=["ws", "wss"])
async def place(request: pytest.FixtureRequest, key_file: Path | None) -> AsyncIterator[Place]:
    if request.param:
        pytest.importorskip("cryptography", reason="the certificate is made by speakerd[local]")
    async with serving(tls=request.param, key_file=key_file) as it:
        yield it


async def shell(command: str, cwd: Path) -> str:
    """Run a printed command in a shell and return its output; a failing one fails the test."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(PATH=path),
        cwd=cwd,
    )
    out, complaint = await process.communicate()
    assert not complaint, complaint.decode()
    return out.decode()


def needs(command: str) -> None:
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not installed here")


def packages_for_node() -> Path | None:
    """Return the Node packages that the contract tests have installed, if they have."""
    cache = os.environ.get("SPEAKERD_TEST_CACHE", f"{tempfile.gettempdir()}/speakerd-test-cache-{os.getuid()}")
    found = Path(cache).glob("contract/*/node_modules/openai/package.json")
    return next((manifest.parents[1] for manifest in found if (manifest.parents[1] / "ws").exists()), None)


async def test_python_command_holds_a_turn(place: Place, tmp_path: Path) -> None:
    """The Python SDK reads the reply, with and without TLS, with any key and with the one."""
    assert await shell(guide.python(place), tmp_path) == f"{REPLY}\n"


async def test_curl_command_shakes_hands(place: Place, tmp_path: Path) -> None:
    """Curl sees 101."""
    needs("curl")
    assert (await shell(guide.curl(place), tmp_path)).startswith("HTTP/1.1 101 Switching Protocols")


async def test_faults_commands_change_the_faults(place: Place, tmp_path: Path) -> None:
    """The three commands switch a fault on, show it, and switch it off."""
    needs("curl")
    on, shown, off = guide.faults(place).splitlines()
    assert json.loads(await shell(on, tmp_path))["http_status"] == 503
    assert json.loads(await shell(shown, tmp_path))["retry_after_s"] == 3
    assert (await shell(guide.curl(place), tmp_path)).startswith("HTTP/1.1 503")
    assert json.loads(await shell(off, tmp_path))["http_status"] is None


async def test_javascript_command_holds_a_turn(tmp_path: Path) -> None:
    """The JavaScript SDK trusts the authority and reads the reply; without the SDK, Node can read the program."""
    needs("node")
    pytest.importorskip("cryptography", reason="the certificate is made by speakerd[local]")
    async with serving(tls=True, key_file=None) as place:
        command = guide.node(place)
        packages = packages_for_node()
        if packages is None:
            program = tmp_path / "program.mjs"
            program.write_text(command.partition("\n")[2].removesuffix("END"))
            assert await shell(f"node --check {program}", tmp_path) == ""
        else:
            (tmp_path / "node_modules").symlink_to(packages)
            assert await shell(command, tmp_path) == f"{REPLY}\n"


def test_yaml_is_a_good_configuration(tmp_path: Path) -> None:
    """What is printed for speakerd.yaml is valid, with and without a key."""
    for place in (Place("ws://127.0.0.1:80/v1"), Place("wss://[::1]:80/v1", key_file=tmp_path / "the key")):
        settings = Settings.model_validate(yaml.safe_load(guide.yaml(place)))
        assert (settings.service.provider, settings.service.endpoint) == ("embedded", place.url)
        assert settings.auth.api_key_file == (str(place.key_file) if place.key_file else None)


async def test_quick_start_environment(tmp_path: Path) -> None:
    """The quick starts find the service by Azure's variables; plain ws:// survives their change of scheme."""
    plain = guide.quick_start(Place("ws://127.0.0.1:80/v1"))
    assert plain == "export AZURE_OPENAI_ENDPOINT=ws://127.0.0.1:80 AZURE_OPENAI_DEPLOYMENT_NAME=gpt-realtime"
    secure = guide.quick_start(Place("wss://127.0.0.1:80/v1", trust=Path("/tmp/a b.pem")))
    variables = "$SSL_CERT_FILE|$NODE_EXTRA_CA_CERTS|$AZURE_OPENAI_ENDPOINT"
    assert await shell(f'{secure}; echo "{variables}"', tmp_path) == "/tmp/a b.pem|/tmp/a b.pem|https://127.0.0.1:80\n"


def test_guide_names_what_was_asked_for() -> None:
    """The authority comes first, for programs; recordings, key and faults are told when they are there."""
    plain = guide.guide(Place("ws://127.0.0.1:80/v1"))
    assert not any("authority" in line or "/faults" in line or "kept" in line for line in plain)
    assert any("start this with --tls" in line for line in plain)
    secure = Place("wss://127.0.0.1:80/v1", Path("/t/a.pem"), Path("/t/key"), fault_control=True, record=Path("/t/r"))
    lines = guide.guide(secure)
    assert "/t/a.pem" in lines[0]
    assert any("/faults" in line for line in lines)
    assert any("kept in /t/r" in line for line in lines)
    assert any("the key is in /t/key" in line for line in lines)
    assert all(parse_announcement(line) is None for line in lines)

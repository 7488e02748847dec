"""Peers are pinned, are downloaded only when asked for, and are done without where they cannot be had."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from speakerd.bench.peers_install import (
    AGENTS,
    PEERS,
    PIPECAT,
    Peer,
    PeerError,
    prepare,
    require_portaudio,
    settings_of_pip,
)

pytestmark = pytest.mark.timeout(300)  # an environment takes seconds, on a busy machine many

CHECKOUT = Path(__file__).resolve().parents[2]
WHEEL = "a_peer-1.0-py3-none-any.whl"


def pip_settings(**settings: str) -> dict[str, str]:
    """Return an environment in which pip knows these settings and no others of this machine."""
    kept = {key: value for key, value in settings_of_pip().items() if not key.startswith("PIP_")}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1", **settings}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.package)
def test_a_lock_file_names_every_package_by_hash_and_no_registry(peer: Peer) -> None:
    """So that what is measured is what was measured, wherever it comes from."""
    text = peer.lock_file().read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(blocks) > 30
    assert all(re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+", block) and "--hash=sha256:" in block for block in blocks)


def test_openai_agents_is_the_version_of_the_contract_tests() -> None:
    """What holds the contract is what is measured."""
    contract = (CHECKOUT / "tests" / "contract" / "agents" / "requirements.txt").read_text(encoding="utf-8")
    assert f"openai-agents=={AGENTS.version()} " in contract


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.package)
def test_a_program_is_there_and_knows_nothing_of_us(peer: Peer) -> None:
    """It runs where speakerd is not."""
    command = peer.command(Path("/venv/bin/python"), "ws://127.0.0.1:1/v1")
    program = Path(command[1])
    assert command[0] == "/venv/bin/python"
    assert command[2].startswith("ws://127.0.0.1:1/v1/realtime")
    source = program.read_text(encoding="utf-8")
    compile(source, str(program), "exec")
    assert not re.search(r"^\s*(import|from) speakerd", source, re.MULTILINE)
    assert all(Path(folder).is_dir() for folder in peer.environment().get("PYTHONPATH", "").split(":") if folder)


def test_a_peer_whose_lock_file_was_not_installed_says_so() -> None:
    """As from a wheel."""
    with pytest.raises(PeerError, match="from a checkout"):
        replace(AGENTS, lock="nothing.txt").lock_file()


def test_a_lock_file_of_something_else_has_no_version() -> None:
    """It would measure nobody knows what."""
    with pytest.raises(PeerError, match="does not name a-peer"):
        replace(AGENTS, package="a-peer").version()


def test_without_portaudio_it_is_said_how_to_get_it() -> None:
    """By the name of the system's package."""
    require_portaudio(lambda name: f"lib{name}.so.2")
    with pytest.raises(PeerError, match="apt-get install libportaudio2"):
        require_portaudio(lambda _: None)


def peer_with(folder: Path, digest: str) -> Peer:
    """Return a peer that is a single package, locked in this folder."""
    lock = folder / "peer-lock.txt"
    lock.write_text(f"a-peer==1.0 \\\n    --hash=sha256:{digest}\n", encoding="utf-8")
    return replace(AGENTS, package="a-peer", lock=str(lock), imports="import a_peer")  # an absolute path stays one


def wheel(folder: Path) -> str:
    """Make the package and return its digest."""
    path = folder / WHEEL
    about = "a_peer-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a_peer.py", "")
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: a-peer\nVersion: 1.0\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", f"a_peer.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_without_a_registry_it_is_said_what_to_do(tmp_path: Path) -> None:
    """What would be downloaded is told before; nothing half made passes for complete."""
    told: list[str] = []
    nowhere = pip_settings(PIP_INDEX_URL="http://127.0.0.1:9/simple")
    with pytest.raises(PeerError, match=r"cannot be installed: nobody answers.*PIP_INDEX_URL.*run this again"):
        prepare(peer_with(tmp_path, "0" * 64), tmp_path, told.append, environment=nowhere)
    assert told[0].startswith("a-peer 1.0: about 31 MB to download, 170 MB on disk, once, in ")
    assert not list(tmp_path.glob("peers/*/complete"))


def test_a_package_with_another_hash_is_refused(tmp_path: Path) -> None:
    """And told from a registry that does not answer."""
    wheel(tmp_path)
    settings = pip_settings(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    with pytest.raises(PeerError, match=r"other packages than peer-lock\.txt names"):
        prepare(peer_with(tmp_path, "0" * 64), tmp_path, lambda _: None, environment=settings)
    assert not list(tmp_path.glob("peers/*/complete"))


def test_a_peer_is_installed_once(tmp_path: Path) -> None:
    """In an environment of its own, used again later; what cannot be imported there is said."""
    peer = peer_with(tmp_path, wheel(tmp_path))
    settings = pip_settings(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    told: list[str] = []
    python = prepare(peer, tmp_path, told.append, environment=settings)
    where = subprocess.run(
        [python, "-c", "import a_peer; print(a_peer.__file__)"], capture_output=True, text=True, check=True
    )
    assert Path(where.stdout).is_relative_to(tmp_path / "peers")
    assert told[-1] == "a-peer: all there, installing"
    (tmp_path / WHEEL).unlink()
    assert prepare(peer, tmp_path, told.append, environment=settings) == python
    assert len(told) == 2
    with pytest.raises(PeerError, match="cannot be imported: ModuleNotFoundError"):
        prepare(replace(peer, imports="import nothing_there"), tmp_path, told.append, environment=settings)


FAKE_SOUNDDEVICE = """\
class _Stream:
    def __init__(self, **card):
        self.card, self.active, self.said = card, False, []
        made.append(self)
    def start(self): self.active = True
    def stop(self): self.active = False
    def close(self): self.said.append("closed")
    def write(self, pcm): self.said.append(pcm)
made = []
RawInputStream = RawOutputStream = _Stream
"""

DRIVE = """\
import json, pyaudio, sounddevice
audio, heard = pyaudio.PyAudio(), []
form = audio.get_format_from_width(2)
def callback(*what):
    heard.append(what)
    return None, pyaudio.paContinue
card = {"format": form, "channels": 1, "rate": 24000}
microphone = audio.open(**card, frames_per_buffer=480, stream_callback=callback, input=True)
loudspeaker = audio.open(**card, output=True)
up, down = sounddevice.made
up.card.pop("callback")(memoryview(b"ab"), 1, None, 0)
states = [up.active, down.active]
loudspeaker.stop_stream(); states.append(down.active)
loudspeaker.start_stream(); states.append(down.active)
loudspeaker.write(b"cd"); loudspeaker.close(); audio.terminate()
try:
    audio.get_format_from_width(4)
except ValueError as error:
    refused = str(error)
print(json.dumps([up.card, down.card, list(map(str, heard)), states, list(map(str, down.said)), refused]))
"""


def test_the_adapter_asks_portaudio_for_what_pyaudio_asks(tmp_path: Path) -> None:
    """The card's low latency, PortAudio's own number of frames unless told otherwise, a stream that runs at once."""
    (tmp_path / "sounddevice.py").write_text(FAKE_SOUNDDEVICE, encoding="utf-8")
    path = os.pathsep.join((PIPECAT.environment()["PYTHONPATH"], str(tmp_path)))
    environment = {**settings_of_pip(), "PYTHONPATH": path}
    ran = subprocess.run([sys.executable, "-c", DRIVE], capture_output=True, text=True, check=True, env=environment)
    up, down, heard, states, said, refused = json.loads(ran.stdout)
    alike = {"samplerate": 24000, "channels": 1, "dtype": "int16", "latency": "low", "clip_off": True, "device": None}
    assert up == {**alike, "blocksize": 480}
    assert down == {**alike, "blocksize": 0}
    assert heard == ["(b'ab', 1, {}, 0)"]
    assert states == [True, True, False, True]
    assert said == ["b'cd'", "closed"]
    assert "only 16 bit" in refused

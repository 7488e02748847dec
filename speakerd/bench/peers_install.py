"""The peers of ``speakerd bench peers``: what they are, and each in an environment of its own, made on demand and kept.

What is installed is pinned with its hashes in a lock file that names no registry: the machine's own settings of pip do.
What is measured with them is ``peers.py``'s business.
"""

from __future__ import annotations

import ctypes.util
import fcntl
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from speakerd.core.errors import Remedy, SpeakerdError

INSTALL_S = 1200.0
"""How long an installation may take: half a minute on a good line (measured), a Pi takes longer (guessed)."""

CHECK_S = 120.0
"""How long the first import may take: six seconds with cold disks (measured), a Pi is slower (guessed)."""

_HERE = Path(__file__).resolve().parent
_PROGRAMS = _HERE / "peer_programs"
_TOLD_EVERY = 10
"""After how many packages the progress is told (chosen)."""

_LOCK_IS_WRONG = ("DO NOT MATCH THE HASHES", "Hashes are required")
"""What pip says when the lock file and the registry contradict each other."""


class PeerError(SpeakerdError):
    """A peer cannot be had here; the message says why and what to do (code ``bench-peer``)."""

    def __init__(self, message: str) -> None:
        super().__init__("bench-peer", message, Remedy.OPERATOR)


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that is measured beside ours."""

    package: str
    """What the registry calls it."""

    lock: str
    """Its lock file's name."""

    program: str
    """Our program on it, in ``peer_programs``."""

    imports: str
    """What must be importable in its environment, PortAudio included."""

    download_mb: int
    """What comes over the line (measured on x86-64 with Python 3.11)."""

    disk_mb: int
    """What it takes on the disk (measured the same way)."""

    query: str
    """What its service's URL ends with; it adds the rest itself."""

    about: str
    """What exactly is measured, for the reader of its figures."""

    python_path: str | None = None
    """A folder of ``peer_programs`` that its interpreter finds modules in besides."""

    def lock_file(self) -> Path:
        """Return its lock file: in ``.lock/`` of a checkout, beside the programs when installed.

        Raises:
            PeerError: it is in neither place.
        """
        for folder in (_HERE.parents[1] / ".lock", _PROGRAMS):
            if (folder / self.lock).is_file():
                return folder / self.lock
        raise PeerError(f"{self.package} is measured from a checkout: its lock file {self.lock} was not installed")

    def version(self) -> str:
        """Return the version that its lock file names.

        Raises:
            PeerError: there is no lock file, or it does not name one.
        """
        for line in self.lock_file().read_text(encoding="utf-8").splitlines():
            name, _, rest = line.partition("==")
            if name.partition("[")[0] == self.package:
                return rest.split()[0]
        raise PeerError(f"{self.lock} does not name {self.package}")

    def command(self, python: Path, base_url: str) -> list[str]:
        """Return what starts it against a service."""
        return [str(python), str(_PROGRAMS / self.program), f"{base_url}/realtime{self.query}"]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment: nothing of it may look for a service elsewhere."""
        more = {"OPENAI_AGENTS_DISABLE_TRACING": "1"}
        return more if self.python_path is None else {**more, "PYTHONPATH": str(_PROGRAMS / self.python_path)}


AGENTS = Peer(
    package="openai-agents",
    lock="peer-agents.txt",
    program="agents_talk.py",
    imports="import sounddevice, agents.realtime",
    download_mb=31,
    disk_mb=170,
    query="?model=gpt-realtime",
    about="our program on its SDK and sounddevice, in the style of its command line demo (pieces of 40 ms); "
    "unlike the demo it keeps the microphone open while it plays",
)
PIPECAT = Peer(
    package="pipecat-ai",
    lock="peer-pipecat.txt",
    program="pipecat_talk.py",
    imports="import pyaudio, pipecat.transports.local.audio, pipecat.services.openai.realtime.llm",
    download_mb=139,
    disk_mb=500,
    query="",
    about="our program on its LocalAudioTransport and its OpenAI Realtime service, sizes as they come; "
    "an adapter on sounddevice stands in for PyAudio, which must be compiled",
    python_path="adapter",
)
PEERS = (AGENTS, PIPECAT)
"""The peers that a registry has and that speak the protocol."""


def require_portaudio(find: Callable[[str], str | None] = ctypes.util.find_library) -> None:
    """Do nothing where PortAudio is, through which the peers play and record.

    Raises:
        PeerError: it is not installed.
    """
    if find("portaudio") is None:
        raise PeerError("the peers play through PortAudio, which is missing here: sudo apt-get install libportaudio2")


def prepare(peer: Peer, cache: Path, say: Callable[[str], None], *, environment: Mapping[str, str]) -> Path:
    """Return the interpreter that has a peer; install it first where it is not yet. Slow then: up to minutes.

    Args:
        peer: Which.
        cache: Where environments are kept; one that is complete is used again.
        say: Told what is downloaded, before it is, and how far it is.
        environment: Of the processes that install it.

    Raises:
        PeerError: it cannot be had.
    """
    lock = peer.lock_file()
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache / "peers" / f"{peer.package}-{python_version}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    stamp = folder / "complete"
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # another run may be at it
        if not stamp.exists():
            say(
                f"{peer.package} {peer.version()}: about {peer.download_mb} MB to download, "
                f"{peer.disk_mb} MB on disk, once, in {folder}"
            )
            _install(peer, lock, python, say, environment)
            stamp.touch()
    _check(peer, python, environment)
    return python


def _install(peer: Peer, lock: Path, python: Path, say: Callable[[str], None], environment: Mapping[str, str]) -> None:
    """Make the environment, by hash and with nothing that the lock file does not name."""
    makes = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(python.parents[1])]
    if (said := _run(makes, environment, lambda _: None)) is not None:
        raise PeerError(f"{peer.package}: no virtual environment can be made here: {_reason(said)}")
    text = lock.read_text(encoding="utf-8").splitlines()
    progress = _Progress(peer.package, sum("==" in line and not line.startswith("#") for line in text), say)
    how = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "1", "--timeout", "30"]
    which = ["--require-hashes", "--no-deps", "-r", str(lock)]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
    ]  # ours: a copy of its own would cost every peer seconds
    said = _run([*pip, "install", *how, *which], environment, progress.note)
    if said is None:
        return
    if any(sign in line for sign in _LOCK_IS_WRONG for line in said):
        raise PeerError(f"{peer.package}: the registry has other packages than {lock.name} names: {_reason(said)}")
    why = "nobody answers" if any("Retrying (" in line for line in said) else _reason(said)
    raise PeerError(
        f"{peer.package} cannot be installed: {why}. It comes from the package registry that pip is set to "
        f"here (see 'pip config list'; PIP_INDEX_URL chooses another). Once that answers, run this again"
    )


class _Progress:
    """Tells how far pip is."""

    def __init__(self, package: str, count: int, say: Callable[[str], None]) -> None:
        self._package, self._count, self._say = package, count, say
        self._done = 0

    def note(self, line: str) -> None:
        """Take in one line of pip's."""
        if line.startswith(("Collecting ", "Processing ")):
            self._done += 1
            if self._done % _TOLD_EVERY == 0:
                self._say(f"{self._package}: package {self._done} of at most {self._count}")
        elif line.startswith("Installing collected packages"):
            self._say(f"{self._package}: all there, installing")


def _run(command: Sequence[str], environment: Mapping[str, str], note: Callable[[str], None]) -> list[str] | None:
    """Run something to its end and return what it said if it failed; None: it did not. Too long is a failure."""
    said: list[str] = []
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=dict(environment), text=True, errors="replace", **pipe) as process:  # type: ignore[call-overload]  # our options are those of text # noqa: S603 - our own interpreter, no shell
        watchdog = threading.Timer(INSTALL_S, process.kill)
        watchdog.start()
        try:
            for line in process.stdout:
                said.append(line.rstrip())
                note(line)
        except BaseException:
            process.kill()  # Ctrl-C, for one: nothing is left running
            raise
        finally:
            watchdog.cancel()
    return None if process.returncode == 0 else said


def _reason(said: Sequence[str]) -> str:
    """Return the line that says what went wrong."""
    errors = [line for line in said if line.startswith("ERROR: ")] or [line for line in said if line.strip()]
    return errors[0].removeprefix("ERROR: ")[:300].rstrip(". ") if errors else "it ended without a word"


def _check(peer: Peer, python: Path, environment: Mapping[str, str]) -> None:
    """Import what is needed once, so that a missing library is told, and the first start is not the disk's."""
    command = [str(python), "-c", peer.imports]
    whole = {**environment, **peer.environment()}
    try:
        ran = subprocess.run(command, env=whole, capture_output=True, text=True, timeout=CHECK_S, check=False)  # noqa: S603 - our own environment, no shell
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"{peer.package} was not imported within {CHECK_S:.0f} s") from error
    if ran.returncode != 0:
        said = [line for line in ran.stderr.splitlines() if line.strip()] or [f"exit code {ran.returncode}"]
        raise PeerError(f"{peer.package} is installed in {python.parents[1]} but cannot be imported: {said[-1][:300]}")


def settings_of_pip() -> dict[str, str]:
    """Return the caller's environment without what would point pip's packages at our own interpreter's."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}

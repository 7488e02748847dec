"""What the emulated machine says is read right, and what it cannot show is not taken for good."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from speakerd.bench.figures import Verdict

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".ci"))

import a53_figures
import a53_guest
from a53_figures import ConsoleError, Run, emulator_version, figures, off, read, share


def said(**fact: object) -> str:
    return a53_figures.MARK + json.dumps(fact)


def found(task: str, fact: str, **what: object) -> str:
    return said(fact="found", task=task, what={"fact": fact, **what})


def ended(task: str, how: str | int = 0, words: str = "") -> str:
    return said(fact="end", task=task, ended=how, took_s=1.5, said=words)


CONSOLE = [
    "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]",
    said(fact="machine", python="3.11.2", kernel="6.12", processor="CPU part: 0xd03"),
    found("import numpy", "import", instructions=1_600_000_000, kernel=36_000_000),
    ended("import numpy"),
    found("import numpy", "import", instructions=980_000_000, kernel=30_000_000),
    ended("import numpy"),
    ended("import onnxruntime", "SIGILL", "Fatal Python error: Illegal instruction"),
    found("lean", "chunk", instructions=4_900_000.0, kernel=60_000.0),
    found("lean", "scores", word=[0.0, 0.25, 0.99]),
    ended("lean"),
    found("gated", "chunk", instructions=500_000.0, kernel=1000.0, scored=0),
    ended("gated"),
    ended("stock", 1, "ModuleNotFoundError: no tqdm"),
    said(fact="done"),
]

RIGHT = {"lean": [0.0, 0.25, 0.9904]}


def test_guest_and_host_agree_on_the_mark() -> None:
    assert a53_guest.MARK == a53_figures.MARK


def test_a_whole_run_is_read() -> None:
    run = read(CONSOLE)
    assert run.machine["python"] == "3.11.2"
    assert run.millions("lean", "chunk") == 4.9
    assert run.millions("lean", "chunk", "kernel") == 0.06
    assert [task.died for task in run.tasks.values()] == [None, "ended by SIGILL", None, None, "ended with 1"]
    assert run.tasks["stock"].said == "ModuleNotFoundError: no tqdm"


def test_the_second_of_two_imports_counts() -> None:
    """The first one compiles what it imports."""
    assert read(CONSOLE).millions("import numpy", "import") == 980.0


def test_what_is_not_for_us_is_passed_over() -> None:
    run = Run()
    run.take("[lean] A53 is a processor")
    run.take("")
    assert run == Run()


@pytest.mark.parametrize(("lines", "words"), [(CONSOLE[:1], "did not start"), (CONSOLE[:-1], "broke off")])
def test_a_machine_that_breaks_off_is_told_with_its_last_words(lines: list[str], words: str) -> None:
    with pytest.raises(ConsoleError, match=words) as caught:
        read(lines)
    assert lines[-1] in str(caught.value)


def test_what_was_measured_stands_beside_its_limit() -> None:
    rows = {row.name: row for row in figures(read(CONSOLE), RIGHT)}
    assert rows["lean engine, 80 ms of speech"].verdict is Verdict.PASS
    assert rows["behind the gate, 80 ms of a quiet room"].verdict is Verdict.FAIL
    imports = rows["packages that import"]
    assert (imports.value, imports.limit, imports.verdict) == (1, 2, Verdict.FAIL)
    assert rows["stock openwakeword.Model, 80 ms"].value is None
    assert rows["lean: scores off by"].value == pytest.approx(0.0004)
    assert rows["lean: score of the word"].verdict is Verdict.PASS
    assert rows["openWakeWord: scores off by"].verdict is Verdict.NOT_SHOWN


def test_nothing_that_was_not_measured_holds() -> None:
    rows = figures(read([said(fact="machine", python="3.13.5", kernel="6.12", processor=""), said(fact="done")]), {})
    assert {row.verdict for row in rows} <= {Verdict.NOT_SHOWN, Verdict.NONE}
    assert all(row.value is None for row in rows)


def test_traces_of_other_lengths_are_not_compared() -> None:
    assert off([0.1, 0.2], [0.1]) is None
    assert off([], []) is None
    assert off([0.1, 0.5], [0.1, 0.2]) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ("QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)", (10, 0)),
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)", (7, 2)),
        ("qemu-aarch64 version 8.2", (8, 2)),
        ("no such thing", (0, 0)),
    ],
)
def test_an_emulator_says_its_version(words: str, version: tuple[int, int]) -> None:
    assert emulator_version(words) == version


def test_a_share_of_a_core_is_an_estimate_between_two() -> None:
    assert share(5.0) == "7.8 to 12.5 %"


class Counts:
    """A counter that each chunk costs 1000, and each reading 7."""

    def __init__(self) -> None:
        self.done = 0

    def of(self, work) -> dict[str, int]:
        before = self.done
        work()
        return {"instructions": 1000 * (self.done - before) + 7, "kernel": self.done - before}


def test_what_is_paid_once_drops_out_of_a_chunks_cost() -> None:
    counts = Counts()

    def work(chunk: int) -> None:
        counts.done += 1

    cost = a53_guest.per_chunk(counts, work, list(range(60)))
    assert cost == {"instructions": 1000.0, "kernel": 1.0}


def test_a_sound_that_is_too_short_is_refused() -> None:
    with pytest.raises(AssertionError, match="too short"):
        a53_guest.per_chunk(Counts(), lambda chunk: None, list(range(59)))


def test_the_packages_with_compiled_parts_come_first(tmp_path: Path) -> None:
    for name in ("aaa", "zzz", "aaa-1.0.dist-info", "speakerd", "data", "shared/one", "shared/two", "zzz.libs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "shared/one/__init__.py").touch()
    (tmp_path / "shared/two/__init__.py").touch()
    (tmp_path / "shared/two/fast.so").touch()
    for name in ("aaa", "zzz", "speakerd"):
        (tmp_path / name / "__init__.py").touch()
    for name in ("zzz/fast.cpython-311-aarch64-linux-gnu.so", "single.py", "_bare.abi3.so"):
        (tmp_path / name).touch()
    found = a53_guest.names(tmp_path)
    compiled, plain = ["_bare", "shared.two", "zzz"], ["aaa", "shared.one", "single"]
    assert list(found.items()) == [(name, True) for name in compiled] + [(name, False) for name in plain]

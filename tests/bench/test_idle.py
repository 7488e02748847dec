"""The idle daemon's threads stand beside the least program that was measured with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speakerd.bench.figures import Verdict, holds
from speakerd.bench.idle import HEARD_S, LOOP, Measured, Plan, Spent, figures, format_threads, measure
from speakerd.bench.proc import Memory, Thread
from speakerd.demo.mouth import find_mouth
from speakerd.demo.process import StageError
from tests.fakes.models import wake_models

pytestmark = pytest.mark.timeout(300)  # two starts of a daemon, and a word that may not be heard


def spent(seconds: float, **cpu_s: float) -> Spent:
    return Spent(seconds, dict(cpu_s), dict.fromkeys(cpu_s, 100))


def good() -> Measured:
    """Return what just holds every limit."""
    return Measured(
        bare=spent(10.0, loop=0.04),
        daemon=spent(20.0, loop=0.02, wake=0.1),
        bare_memory=Memory(10.0, 3.0, 7.0),
        memory=Memory(110.0, 80.0, 30.0),
        microphone_s=[0.3, 0.4, 0.9],
        ready_s=[0.8, 0.9, 2.0],
        heard={0.2: [True, False], 0.3: [True, True], HEARD_S: [True, True]},
    )


def test_figures_at_their_targets_hold() -> None:
    rows = figures(good())
    assert holds(rows)
    assert sum(row.verdict is Verdict.PASS for row in rows) == 3
    by_name = {row.name: row.value for row in rows}
    assert by_name["idle daemon: times bare (the design wants 1.3)"] == pytest.approx(1.5)
    assert by_name["bare capture: wake-ups for each second"] == 10.0
    assert by_name["process start -> a word that begins then is heard, always"] == 0.3
    assert by_name["process start -> microphone open"] == 0.4
    assert by_name["process start -> ready"] == 0.9


def test_each_target_can_be_missed() -> None:
    """By itself."""
    dear, fat, deaf = good(), good(), good()
    dear.daemon.cpu_s["wake"] = 0.101
    fat.memory = Memory(110.1, 80.0, 30.0)
    deaf.heard[HEARD_S] = [True, False]
    for measured, part in ((dear, "times bare"), (fat, "resident"), (deaf, "heard of 2")):
        (failed,) = [row.name for row in figures(measured) if row.verdict is Verdict.FAIL]
        assert part in failed


def test_a_lucky_word_says_nothing_about_later_ones() -> None:
    """The moment from which on all are heard is told; where the last one is not, none is."""
    lucky, deaf = good(), good()
    lucky.heard = {0.2: [True], 0.3: [False], 0.4: [True], HEARD_S: [True]}
    deaf.heard = {0.2: [True], HEARD_S: [False]}
    assert [row.value for each in (lucky, deaf) for row in figures(each) if "always" in row.name] == [0.4, None]


def test_what_did_not_come_about_passes_nothing() -> None:
    rows = figures(Measured())
    assert {row.verdict for row in rows} == {Verdict.NOT_SHOWN}


def test_stretches_of_time_add_up_thread_by_thread() -> None:
    """The first thread is the loop; threads of one name count together; a new one counts from its beginning."""
    total = Spent()
    before = {7: Thread("python", 1.0, 10), 8: Thread("wake", 2.0, 20)}
    after = {7: Thread("python", 1.5, 15), 8: Thread("wake", 2.25, 22), 9: Thread("wake", 0.25, 1)}
    total.add(7, before, after, 2.0)
    total.add(7, after, after, 2.0)
    assert (total.seconds, total.cpu_s, total.wakeups) == (4.0, {LOOP: 0.5, "wake": 0.5}, {LOOP: 5, "wake": 3})
    assert (total.cpu_ms_per_s, total.wakeups_per_s) == (250.0, 2.0)


def test_the_table_names_every_thread_the_dearest_first() -> None:
    measured = good()
    measured.is_fine = False
    lines = format_threads(measured).splitlines()
    assert [line.split()[0:3] for line in lines[1:4]] == [
        ["bare:", "loop", "4.00"],
        ["daemon:", "wake", "5.00"],
        ["daemon:", "loop", "1.00"],
    ]
    assert "ticks of 10 ms" in lines[4]
    assert lines[-1].split() == ["0.5", "s", "2", "of", "2"]


def test_the_real_daemon_is_looked_at(tmp_path: Path) -> None:
    """Each of its threads by name; a word that begins before the process is there is not heard, one long after is."""
    wake_models()
    try:
        find_mouth()
    except StageError as nobody:
        pytest.skip(f"nobody can speak here: {nobody}")
    told: list[str] = []
    plan = Plan(settle_s=0.5, slices=1, slice_s=1.0, offsets_s=(HEARD_S, 20.0))
    worked = measure(tmp_path, 1, told.append, plan=plan)
    assert (tmp_path / "idle.json").exists(), told
    written = json.loads((tmp_path / "idle.json").read_text(encoding="utf-8"))
    assert {LOOP, "wake", "speakerd-microp", "speakerd-loudsp"} <= set(written["threads"]["daemon"]), told
    assert list(written["threads"]["bare"]) == [LOOP]
    assert written["threads"]["bare"][LOOP]["wakeups_per_s"] > 10
    memory = written["memory_mb"]["daemon"]
    assert 20.0 < memory["anonymous_mb"] < memory["resident_mb"] < 400.0
    assert written["heard"]["20 s"] == [True]
    assert len(written["ready_s"]) == 2
    assert all(
        0.0 < open_s < ready_s for open_s, ready_s in zip(written["microphone_s"], written["ready_s"], strict=True)
    )
    assert worked == all(row["verdict"] != "FAIL" for row in written["figures"])

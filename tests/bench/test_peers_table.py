"""Programs stand side by side, and each limit that names a peer can be missed by itself."""

from __future__ import annotations

import copy

import pytest

from speakerd.bench.figures import Verdict, holds
from speakerd.bench.hops import Hop
from speakerd.bench.peers_table import BARE, OURS, ROWS, Costs, Programs, format_programs, judged

PEER = "a-peer"


def costs(*, cpu: float, memory_mb: float, start_s: float, **hops: list[float]) -> Costs:
    """Return what one program costs; hops by their names."""
    made = Costs(cpu_ms_per_s=[cpu], ready_mb=[memory_mb], after_mb=[memory_mb + 5], first_append_s=[start_s])
    made.values |= {Hop[name.upper()]: values for name, values in hops.items()}
    return made


def programs() -> Programs:
    """Return a run in which every limit just holds."""
    return {
        BARE: costs(
            cpu=50.0,
            memory_mb=30.0,
            start_s=0.2,
            microphone=[20.0, 40.0],
            audible=[5.0, 7.0],
            gaps=[0.0],
            silence=[8.0],
        ),
        OURS: costs(
            cpu=65.0,
            memory_mb=110.0,
            start_s=2.5,
            microphone=[20.5, 30.5, 35.5],
            audible=[26.0, 26.0, 27.0],
            gaps=[0.0, 0.0],
            silence=[10.0, 20.0, 30.0],
            told_began=[-20.0, 20.0],
        ),
        PEER: costs(
            cpu=100.0,
            memory_mb=136.0,
            start_s=3.0,
            microphone=[20.0, 30.0, 35.0],
            audible=[50.0],
            gaps=[1.0, 2.0],
            silence=[60.0],
            told_began=[100.0, -120.0],
        ),
    }


def test_figures_at_their_limits_hold() -> None:
    """All of them have one."""
    rows = judged(programs())
    assert holds(rows)
    assert all(row.verdict is Verdict.PASS for row in rows)


@pytest.mark.parametrize(
    ("differs", "part"),
    [
        ({"microphone": [30.6, 30.6, 35.5]}, "holds it, median"),
        ({"microphone": [20.5, 30.5, 35.6]}, "holds it, p95"),
        ({"audible": [26.1, 26.1, 27.0]}, "audible, median"),
        ({"audible": [26.0, 26.0, 27.1]}, "audible, p95"),
        ({"gaps": [0.0, 1.0]}, "gaps in 2 replies"),
        ({"silence": [10.0, 20.1, 30.0]}, "room, median"),
        ({"silence": [10.0, 20.0, 30.1]}, "room, p95"),
        ({"told_began": [-20.1]}, "farthest"),
    ],
)
def test_each_limit_of_a_hop_can_be_missed(differs: dict[str, list[float]], part: str) -> None:
    """By itself."""
    run = programs()
    run[OURS].values.update({Hop[name.upper()]: values for name, values in differs.items()})
    (failed,) = [row.name for row in judged(run) if row.verdict is Verdict.FAIL]
    assert part in failed


def test_telling_more_than_was_heard_is_missed_twice() -> None:
    """It is too far, and to the wrong side."""
    run = programs()
    run[OURS].values[Hop.TOLD_BEGAN] = [20.1]
    failed = [row.name for row in judged(run) if row.verdict is Verdict.FAIL]
    assert failed == ["told - heard when speech_started came, farthest", "told more than was heard by then, most"]


@pytest.mark.parametrize(
    ("attribute", "value", "part"), [("cpu_ms_per_s", 65.1, "CPU"), ("ready_mb", 110.1, "resident memory")]
)
def test_each_limit_of_a_cost_can_be_missed(attribute: str, value: float, part: str) -> None:
    """By itself."""
    run = programs()
    setattr(run[OURS], attribute, [value])
    (failed,) = [row.name for row in judged(run) if row.verdict is Verdict.FAIL]
    assert part in failed


def test_the_best_of_the_others_is_the_limit_of_the_microphone() -> None:
    """Whoever it is, a peer or the bare program, and half a millisecond is no difference."""
    run = programs()
    (median, p95) = [row for row in judged(run) if Hop.MICROPHONE.value in row.name]
    assert (median.limit, p95.limit) == (30.5, 35.5)
    del run[PEER]  # type: ignore[attr-defined]  # a dict here
    (median, p95) = [row for row in judged(run) if Hop.MICROPHONE.value in row.name]
    assert (median.limit, p95.limit) == (30.5, 40.5)


def test_without_the_others_nothing_is_shown_beside_them() -> None:
    """A limit that nobody measured holds for nobody."""
    run = {BARE: Costs(), OURS: programs()[OURS]}
    absent = [row.name for row in judged(run) if row.verdict is Verdict.NOT_SHOWN]
    assert len(absent) == 5
    assert all(part in " ".join(absent) for part in ("microphone", "audible", "CPU"))
    assert {row.verdict for row in judged({BARE: Costs(), OURS: Costs()})} == {Verdict.NOT_SHOWN}


def test_every_figure_has_a_row_and_every_program_a_column() -> None:
    """With the multiple of the bare program's figure where that says something."""
    head, *rows = format_programs(programs()).splitlines()
    assert head.split()[-3:] == [BARE, OURS, PEER]
    assert len(rows) == len(ROWS)
    by_name = {row[:48].strip(): row[len("microphone -> the append that holds it, ms") :].split() for row in rows}
    assert by_name["CPU in conversation, ms/s"] == ["50", "65", "(1.3)", "100", "(2.0)"]
    assert by_name["process start -> first append, s"] == ["0.20", "2.50", "(12.5)", "3.00", "(15.0)"]
    assert by_name["gaps in all replies together"] == ["0", "0", "3"]
    assert by_name["told - heard when the user began, ms"] == ["-", "+0", "-10"]
    assert by_name["starts that came to nothing"] == ["0", "0", "0"]
    assert by_name["farthest"] == ["-", "-20", "-120"]


def test_all_values_are_written() -> None:
    """Summed up and one by one; what was not measured is not there."""
    plain = programs()[OURS].plain()
    assert plain["CPU in conversation, ms/s"]["values"] == [65.0]
    assert plain[f"{Hop.SILENCE.value}, ms"]["median"] == 20.0
    assert plain["process start -> first append, s"] == {"median": 2.5, "values": [2.5]}
    assert f"{Hop.TOLD_SILENT.value}, ms" not in plain
    assert "failed starts" not in plain
    assert Costs().plain() == {}
    assert Costs(failures=["it ended"]).plain() == {"failed starts": ["it ended"]}


def test_programs_do_not_share_their_figures() -> None:
    """Each begins with lists of its own."""
    one, other = Costs(), Costs()
    one.values[Hop.GAPS].append(1.0)
    one.ready_mb.append(1.0)
    assert (other.values[Hop.GAPS], other.ready_mb) == ([], [])
    assert copy.deepcopy(one).plain() == one.plain()

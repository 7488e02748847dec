"""A figure knows whether its limit holds, and a table leaves nothing unsaid."""

from __future__ import annotations

import pytest

from speakerd.bench.figures import Figure, Verdict, format_table, holds, machine, percentile, summary


@pytest.mark.parametrize(
    ("values", "middle", "p95"),
    [([7.0], 7.0, 7.0), ([3.0, 1.0, 2.0], 2.0, 3.0), ([float(n) for n in range(1, 101)], 50.5, 95.0)],
)
def test_summary_is_median_and_nearest_rank(values: list[float], middle: float, p95: float) -> None:
    """The middle and the 95th percentile of the values, in any order."""
    found = summary(values)
    assert (found["median"], found["p95"], found["count"]) == (middle, p95, len(values))
    assert (found["min"], found["max"]) == (min(values), max(values))


@pytest.mark.parametrize(("percent", "value"), [(1, 1.0), (50, 2.0), (75, 3.0), (76, 4.0), (99, 4.0), (100, 4.0)])
def test_a_percentile_is_one_of_the_values(percent: int, value: float) -> None:
    """By nearest rank, whatever the order."""
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == value


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (Figure("most", 6.0, "s", 6.0), Verdict.PASS),
        (Figure("most", 6.001, "s", 6.0), Verdict.FAIL),
        (Figure("none late", 0, "", 0), Verdict.PASS),
        (Figure("none late", 1, "", 0), Verdict.FAIL),
        (Figure("least", 1, "", 1, at_least=True), Verdict.PASS),
        (Figure("least", 0, "", 1, at_least=True), Verdict.FAIL),
        (Figure("told", 99.0, "ms"), Verdict.NONE),
        (Figure("absent", None, "ms", 900.0), Verdict.NOT_SHOWN),
    ],
)
def test_a_limit_is_judged(figure: Figure, verdict: Verdict) -> None:
    """The limit itself still holds; what was not measured neither holds nor fails."""
    assert figure.verdict is verdict
    assert holds([figure]) is (verdict is not Verdict.FAIL)


def test_one_missed_limit_fails_them_all() -> None:
    """Among many that hold."""
    assert not holds([Figure("a", 1.0, "s", 2.0), Figure("b", 3.0, "s", 2.0), Figure("c", None, "s", 2.0)])


def test_the_table_shows_value_limit_and_verdict() -> None:
    """A row for each figure, aligned, and a last line that counts."""
    table = format_table(
        [
            Figure("ready", 2.1666, "s", 6.0),
            Figure("first audio, median", 1012.5, "ms", 900.0),
            Figure("right answers", 1, "", 1, at_least=True),
            Figure("the most", 27.34, "ms"),
            Figure("memory", None, "MB", 500.0),
        ]
    ).splitlines()
    assert [row.split() for row in table[1:-1]] == [
        ["ready", "2.17", "s", "<=", "6", "s", "PASS"],
        ["first", "audio,", "median", "1012", "ms", "<=", "900", "ms", "FAIL"],
        ["right", "answers", "1", ">=", "1", "PASS"],
        ["the", "most", "27.3", "ms"],
        ["memory", "-", "<=", "500", "MB", "NOT", "SHOWN"],
    ]
    assert len({row.index(verdict) for row, verdict in zip(table[1:4], ("PASS", "FAIL", "PASS"), strict=True)}) == 1
    assert table[-1] == "limits that hold: 2, that are missed: 1, that could not be shown: 1"


def test_a_row_for_programs_says_what_kind_of_limit_it_is() -> None:
    """And has null where there is no verdict."""
    shown = Figure("told", 1.0, "ms").shown()
    assert (shown["limit"], shown["verdict"]) == (None, None)
    assert Figure("least", 1, "", 1, at_least=True).shown()["limit_is"] == "at least"


def test_the_machine_is_named() -> None:
    """Figures without a machine are worth nothing."""
    assert {"version", "machine", "python", "processors", "load_1_min"} == set(machine())

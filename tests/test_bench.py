"""The bench sums up what it measured and names what it did not."""

from __future__ import annotations

import pytest

from speakerd.bench import PUBLISHED, format_figures, summary
from speakerd.demo.timeline import HOPS


@pytest.mark.parametrize(
    ("values", "middle", "p95"),
    [([7.0], 7.0, 7.0), ([3.0, 1.0, 2.0], 2.0, 3.0), ([float(n) for n in range(1, 101)], 50.5, 95.0)],
)
def test_summary_is_median_and_nearest_rank(values: list[float], middle: float, p95: float) -> None:
    """The middle and the 95th percentile of the values, in any order."""
    found = summary(values)
    assert (found["median"], found["p95"], found["count"]) == (middle, p95, len(values))


def test_published_figures_stand_beside_hops_that_exist() -> None:
    """Each published figure belongs to a hop the timeline measures, and is labelled as not measured here."""
    assert set(PUBLISHED) <= {name for name, _ in HOPS}
    table = format_figures({name: summary([1.0]) for name in PUBLISHED})
    assert "published, not measured here" in table.splitlines()[0]
    assert "openai-agents" in table

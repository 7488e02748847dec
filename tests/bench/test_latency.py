"""The table of hops names what was not measured here."""

from __future__ import annotations

from speakerd.bench.figures import summary
from speakerd.bench.latency import PUBLISHED, format_figures
from speakerd.demo.timeline import HOPS


def test_published_figures_stand_beside_hops_that_exist() -> None:
    """Each published figure belongs to a hop the timeline measures, and is labelled as not measured here."""
    assert set(PUBLISHED) <= {name for name, _ in HOPS}
    table = format_figures({name: summary([1.0]) for name in PUBLISHED})
    assert "published, not measured here" in table.splitlines()[0]
    assert "openai-agents" in table

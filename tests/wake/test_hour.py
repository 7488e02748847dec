"""Some minutes of ``hour.py``: the daemon's engines hear what openwakeword hears, asleep or not."""

from __future__ import annotations

from tests.fakes.models import wake_models
from tests.wake.hour import Report, compare

MINUTES = 4.5
"""Each scene twice."""


def test_the_same_is_heard_in_everything() -> None:
    """Scores within a thousandth on every chunk, the same detections, none lost by the gate and none late."""
    wake_models()
    report = compare(MINUTES)
    assert report.wrong == [], str(report)
    assert len(report.heard["stock"]) >= 6
    assert 0.2 < report.open_chunks / report.chunks < 0.9


def test_what_does_not_hold_is_said() -> None:
    """A comparison that could not fail would prove nothing."""
    report = Report(chunks=10, off=0.002, off_streamed=0.004, off_behind_gate=0.003)
    report.heard.update(stock=[(3, "alexa"), (9, "alexa")], lean=[(3, "alexa")], gated=[(5, "alexa"), (9, "alexa")])
    assert report.wrong == [
        "a score is off by 0.002",
        "a score on streamed features is off by 0.004",
        "a score behind the gate is off by 0.003",
        "the lean engine detects something else",
        "the engine openwakeword detects something else",
        "the gate delayed a detection by 2 chunks",
    ]
    report.heard["gated"].pop()
    assert "the gate lost a detection, or made one" in report.wrong
    assert Report(chunks=1).wrong == ["nothing was said"]

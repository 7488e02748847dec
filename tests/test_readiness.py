"""A start is over once, when the last part has come up."""

from __future__ import annotations

from speakerd.readiness import Readiness


def test_the_last_part_makes_it_ready_once() -> None:
    """Parts that come again, and parts that nobody waits for, change nothing."""
    told: list[str] = []
    readiness = Readiness(["microphone", "wake word"], told.append, lambda: told.append("ready"))
    assert not readiness.is_complete
    for part in ["wake word", "button", "wake word", "microphone", "microphone"]:
        readiness.note(part)
    assert told == ["wake word", "microphone", "ready"]
    assert readiness.is_complete


def test_nothing_is_ready_before_anything_is_told() -> None:
    """It speaks only when spoken to."""
    readiness = Readiness(["microphone"], lambda _part: None, lambda: None)
    assert not readiness.is_complete

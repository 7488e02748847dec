"""A crowd is measured as it really talks, and a late delta is counted."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.bench.crowd import LATE_MS, Crowd, Measured, figures, measure, tone
from speakerd.bench.figures import Verdict, holds
from speakerd.embedded.vad import EnergyVad


def crowd(late_ms: list[float]) -> Measured:
    return Measured(20, late_ms, first_ms=[520.0, 560.0], empty_mb=40.0, full_mb=80.0, cpu_ms_per_s=240.0)


def test_one_late_delta_fails() -> None:
    """What a card holds may pass; more is a gap."""
    rows = figures(crowd([0.0, LATE_MS, LATE_MS + 0.1]))
    assert (rows[0].value, rows[0].verdict) == (1, Verdict.FAIL)
    assert holds(figures(crowd([0.0, LATE_MS])))


def test_costs_are_for_each_session() -> None:
    """Memory is the growth, divided; CPU too."""
    values = {each.name.partition(": ")[2]: each.value for each in figures(crowd([0.0, 3.0]))}
    assert values["memory for each"] == pytest.approx(2.0)
    assert values["CPU for each second of each"] == pytest.approx(12.0)
    assert values["the latest delta"] == 3.0
    assert values["slowest first audio (500 ms of VAD silence)"] == 560.0


def test_the_tone_is_speech_to_the_scripted_tier() -> None:
    """Else nobody would answer."""
    vad = EnergyVad()
    assert len(tone()) == 48_000
    samples = np.frombuffer(tone(), "<i2")
    assert vad.probability(samples[:512]) > 0.5


async def test_three_sessions_talk_at_once(tmp_path) -> None:
    """Each gets a whole reply in real time: about a second of deltas, the first one after its VAD silence."""
    lines: list[str] = []
    measured = await measure(tmp_path, Crowd(sessions=3, turns=1, line="One second of it."), lines.append)
    assert measured.sessions == 3
    assert len(measured.first_ms) == 3
    assert min(measured.first_ms) > 400.0
    assert len(measured.late_ms) >= 9
    assert measured.late_ms.count(0.0) >= 3
    assert measured.full_mb > measured.empty_mb > 5.0
    assert measured.cpu_ms_per_s > 0.0
    assert lines == ["scripted: 3 sessions at once, turns of each: 1"]

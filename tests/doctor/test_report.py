"""Findings as text and as JSON."""

from __future__ import annotations

import json

import pytest

from speakerd.doctor.report import Line, Report, Verdict, failed, format_line, passed, warned


def test_what_did_not_pass_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="what to do"):
        Line("clock", Verdict.WARN, "wrong")
    with pytest.raises(ValueError, match="what to do"):
        failed("clock", "wrong", "")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (passed("dns", "3 ms", took_ms=3), "  pass  dns: 3 ms"),
        (warned("first-audio", "slow", "wait"), "  warn  first audio: slow\n        do: wait"),
        (failed("tls", "no", "go"), "  fail  tls: no\n        do: go"),
    ],
)
def test_a_line_for_people(line: Line, text: str) -> None:
    assert format_line(line) == text


def test_only_a_failure_is_not_good() -> None:
    report = Report()
    assert report.ok
    assert report.summary() == "nothing was looked at"
    report.add("Sound", [passed("a", "x"), warned("b", "y", "z")])
    assert report.ok
    assert report.summary() == "1 passed, 1 to know"
    report.add("Network", [failed("c", "y", "z")])
    assert not report.ok
    assert report.has("c", Verdict.FAIL)
    assert not report.has("a", Verdict.FAIL)
    assert report.summary() == "1 passed, 1 to know, 1 failed"


def test_the_json_is_what_programs_were_promised() -> None:
    """Names, nesting and order; a change here is a change of the contract."""
    report = Report()
    report.add("Sound", [passed("chirp", "heard", delay_ms=30.1)])
    report.add("Network", [failed("dns", "no", "look")])
    report.add("Sound", [warned("drift", "far", "one card")])
    assert json.loads(json.dumps(report.as_plain_data("1.2", complete=False))) == {
        "schema": 1,
        "speakerd": "1.2",
        "ok": False,
        "complete": False,
        "counts": {"pass": 1, "warn": 1, "fail": 1},
        "groups": [
            {
                "name": "Sound",
                "checks": [
                    {
                        "check": "chirp",
                        "verdict": "pass",
                        "detail": "heard",
                        "advice": None,
                        "data": {"delay_ms": 30.1},
                    },
                    {"check": "drift", "verdict": "warn", "detail": "far", "advice": "one card", "data": {}},
                ],
            },
            {
                "name": "Network",
                "checks": [{"check": "dns", "verdict": "fail", "detail": "no", "advice": "look", "data": {}}],
            },
        ],
    }

"""Faults that change while the service runs."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from pathlib import Path

import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.fault_control import FaultFile, checked, control, shown
from speakerd.embedded.faults import Faults


def write(path: Path, source: str, mtime_s: int) -> None:
    path.write_text(source)
    os.utime(path, (mtime_s, mtime_s))


def test_file_is_read_when_it_changes(tmp_path: Path) -> None:
    """A change is seen once; a file that goes switches all off, one that was never there is no fault."""
    path = tmp_path / "faults.json"
    file = FaultFile(path)
    assert file.first is None
    assert file.changed() is None
    write(path, '{"http_status": 503}', 1)
    assert file.changed() == Faults(http_status=503)
    assert file.changed() is None
    write(path, '{"http_status": 429}', 2)
    assert file.changed() == Faults(http_status=429)
    path.unlink()
    assert file.changed() == Faults()
    assert file.changed() is None


def test_file_that_goes_wrong_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While it runs, a mistake is told once and the faults stay; at the start it is an error."""
    path = tmp_path / "faults.json"
    write(path, '{"slow_handshake_s": 1}', 1)
    file = FaultFile(path)
    assert file.first == Faults(slow_handshake_s=1)
    write(path, '{"slow": 1}', 2)
    with caplog.at_level(logging.WARNING, "speakerd.embedded"):
        assert file.changed() is None
        assert file.changed() is None
    assert len(caplog.messages) == 1
    assert "slow" in caplog.messages[0]
    with pytest.raises(SpeakerdError, match="known:"):
        FaultFile(path)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{", "line 1"),
        ("[]", "not a JSON object"),
        ('{"http_statu": 503}', "http_statu; known: .*http_status"),
        ('{"http_status": "503"}', "http_status: Input should be a valid integer"),
        ('{"http_status": 200}', "http_status: 200 is no status of a refusal"),
        ('{"slow_handshake_s": null}', "slow_handshake_s: "),
        ('{"late_deltas": -1}', "late_deltas: -1 is less than nothing"),
        ('{"slow_handshake_s": -0.5}', "slow_handshake_s: -0.5 is less than nothing"),
        ('{"close_after_events": [5, 1000]}', "close_after_events: 5 is no close code; \\[code, events\\]"),
        ('{"close_after_events": [1011]}', "close_after_events"),
    ],
)
def test_mistakes_are_named(source: str, told: str) -> None:
    """An unknown name is told with the known ones, a wrong value with its field."""
    with pytest.raises(ValueError, match=told):
        checked(source)


def test_control_reads_replaces_and_switches_off() -> None:
    """GET tells all faults, PUT replaces them, DELETE switches them off; a mistake changes nothing."""
    put: list[Faults] = []
    known = Faults(http_status=503)
    assert json.loads(control("GET", b"", known, put.append).body)["http_status"] == 503
    answer = control("PUT", b'{"slow_handshake_s": 0.5}', known, put.append)
    assert (answer.status, json.loads(answer.body)["slow_handshake_s"]) == (200, 0.5)
    answer = control("DELETE", b"", known, put.append)
    assert json.loads(answer.body) == json.loads(json.dumps(dataclasses.asdict(Faults())))
    assert put == [Faults(slow_handshake_s=0.5), Faults()]
    for body in (b'{"bogus": 1}', b"\xff"):
        answer = control("PUT", body, known, put.append)
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, "invalid_faults")
    answer = control("POST", b"", known, put.append)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (405, "method_not_allowed")
    assert len(put) == 2


def test_only_what_is_on_is_shown() -> None:
    """The log's line names the faults that are switched on."""
    assert shown(Faults(http_status=503)) == '{"http_status": 503}'

"""Faults from the environment."""

from __future__ import annotations

import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.emulate import faults_from_environment
from speakerd.embedded.faults import FAULTS_VARIABLE, Faults, parse_faults


def test_faults_are_read_from_json() -> None:
    """Each field can be named in a JSON object."""
    faults = parse_faults('{"http_status": 503, "first_connections": 2, "close_after_events": [1011, 5]}')
    assert faults == Faults(http_status=503, first_connections=2, close_after_events=(1011, 5))
    assert parse_faults('{"missing_events": ["response.done"]}') == Faults(missing_events=("response.done",))


@pytest.mark.parametrize("source", ["{", "[]", '{"http_staus": 503}', '{"http_status": "503"}'])
def test_bad_faults_are_an_operators_error(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that does not exist is reported, not ignored."""
    monkeypatch.setenv(FAULTS_VARIABLE, source)
    with pytest.raises(SpeakerdError, match=FAULTS_VARIABLE):
        faults_from_environment()


def test_without_the_variable_nothing_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, no faults."""
    monkeypatch.delenv(FAULTS_VARIABLE, raising=False)
    assert faults_from_environment() == Faults()

"""Choosing a tier."""

from __future__ import annotations

import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.embedded import ears
from speakerd.embedded.parts import Prompt
from speakerd.embedded.tiers import SCRIPT_VARIABLE, build


def test_auto_falls_back_when_the_weights_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not load is not used; asked for by name it is an error that says what to install."""
    monkeypatch.setattr(ears, "WEIGHTS_PACKAGE", "no_such_package_here")
    assert build("auto").name == "scripted"
    with pytest.raises(SpeakerdError, match=r"speakerd\[local\]"):
        build("neural")


def test_script_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted tier says what the variable lists."""
    monkeypatch.setenv(SCRIPT_VARIABLE, '["One.", "Two."]')
    brain = build("scripted").brain
    assert [brain.answer(Prompt("x")) for _ in range(2)] == ["One.", "Two."]


@pytest.mark.parametrize("script", ["[", '{"a": 1}', "[1]"])
def test_bad_script_is_an_operators_error(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that is not a list of strings is reported."""
    monkeypatch.setenv(SCRIPT_VARIABLE, script)
    with pytest.raises(SpeakerdError, match=SCRIPT_VARIABLE):
        build("scripted")

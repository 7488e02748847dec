"""What is worth knowing of an echo at the next start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speakerd.core.echo_found import EchoFound, revise
from speakerd.core.echo_path import EchoFigures

NONE = EchoFound(hears_echo=False)
ECHO = EchoFound(hears_echo=True, echo_dbfs=-30.0, delay_ms=40.0)
MEASURED = EchoFigures(windows=4, echo_dbfs=-30.0, delay_ms=40.0)


@pytest.mark.parametrize("known", [None, NONE, ECHO])
def test_no_echo_is_known_after_the_first_window_without_one(known) -> None:
    """Whatever was known before; without a window nothing is new, and what sounds like an echo leaves doubt."""
    assert revise(known, EchoFigures(windows=1, inaudible=True)) == NONE
    assert revise(known, EchoFigures(inaudible=True)) == known
    assert revise(known, EchoFigures(windows=9, leaks=2.0, inaudible=True)) is None


@pytest.mark.parametrize("known", [None, NONE])
def test_an_echo_is_known_when_it_was_measured(known) -> None:
    """With its figures, after two seconds and a half."""
    assert revise(known, MEASURED) == ECHO


def test_an_echo_that_has_just_come_leaves_nothing_known() -> None:
    """That there was none is wrong; what there is nobody knows yet. An echo that is known stays."""
    assert revise(NONE, EchoFigures()) is None
    assert revise(None, EchoFigures(windows=3)) is None
    assert revise(ECHO, EchoFigures(windows=3)) == ECHO


def test_the_same_echo_is_no_news() -> None:
    """A few decibels or milliseconds are the room's; more, or a figure that was unknown, is another echo."""
    assert revise(ECHO, replace(MEASURED, echo_dbfs=-32.0, delay_ms=45.0)) is ECHO
    assert revise(ECHO, replace(MEASURED, echo_dbfs=-40.0)) == replace(ECHO, echo_dbfs=-40.0)
    assert revise(ECHO, replace(MEASURED, delay_ms=90.0)) == replace(ECHO, delay_ms=90.0)
    assert revise(ECHO, replace(MEASURED, delay_ms=None)) == replace(ECHO, delay_ms=None)
    unknown = replace(ECHO, delay_ms=None)
    assert revise(unknown, replace(MEASURED, delay_ms=None)) is unknown

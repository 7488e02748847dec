"""Events are facts: frozen values in a closed union."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from speakerd.core import events


@pytest.mark.parametrize("kind", get_args(events.Event))
def test_events_cannot_be_changed(kind):
    """A fact stays what it was when it happened."""
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen


def test_the_union_is_complete():
    """Every public dataclass of the module that is not a part of an event is an event."""
    parts = {events.Heard}
    defined = {
        value
        for value in vars(events).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == events.__name__
    }
    assert defined - parts == set(get_args(events.Event))

"""Actions are orders: frozen values in a closed union."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from speakerd.core import actions


@pytest.mark.parametrize("kind", get_args(actions.Action))
def test_actions_cannot_be_changed(kind):
    """An order is performed as it was given."""
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen


def test_the_union_is_complete():
    """Every public dataclass of the module is an action."""
    defined = {
        value
        for value in vars(actions).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == actions.__name__
    }
    assert defined == set(get_args(actions.Action))

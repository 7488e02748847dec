"""The real wake word models for tests that need them, fetched once into the folder the daemon uses."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from speakerd.core.errors import WakeError
from speakerd.wake import models


def wake_models() -> Path:
    """Return the model folder, complete; skip the test and say why when it cannot be had."""
    outcome = _fetch_once()
    if isinstance(outcome, WakeError):
        pytest.skip(f"no wake word models: {outcome}")
    return outcome


@functools.cache
def _fetch_once() -> Path | WakeError:
    try:
        return models.fetch(models.WORDS, progress=print)
    except WakeError as error:
        return error

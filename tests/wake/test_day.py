"""Two hours of ``day.py``: the wake word's thread does not grow, and hears to the end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.models import wake_models
from tests.fakes.voices import say

PROJECT = Path(__file__).resolve().parents[2]
HOURS = 2.0

GROWTH_MB = 2.0
"""What is allowed from the first hour to the second: a day grows by less (measured)."""


@pytest.mark.parametrize("options", [[], ["--noise-suppression"]])
def test_two_hours_leave_nothing_behind(options: list[str]) -> None:
    """In a process of its own: memory as after the first, every wake word heard, in its place."""
    wake_models()
    say("hey jarvis")
    command = [sys.executable, "-m", "tests.wake.day", "--hours", str(HOURS), "--json", *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100, cwd=PROJECT)
    day = json.loads(done.stdout)
    assert day["rss_mb"]["2 h"] - day["rss_mb"]["1 h"] < GROWTH_MB, day
    assert day["said"] == day["detected"] == 4, day
    assert day["farthest_s"] < 0.7, day
    assert day["open_share"] < 0.03, day

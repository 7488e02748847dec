"""What holds for every test."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# How long a draw takes says something about the machine, not about the code: the first one of a fresh checkout builds
# Unicode tables for seconds. Time is measured by `speakerd bench`, never here.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")

# A shell that starts a test run in the background has it ignore Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests measured on their way."""
    reports = terminalreporter.stats.get("passed", [])
    lines = [str(value) for report in reports for name, value in report.user_properties if name == "figure"]
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write("".join(f"{line}\n" for line in sorted(lines)))


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """A command that a test runs sets up the log for its whole process: the next test finds it as it was."""
    root, ours = logging.getLogger(), logging.getLogger("speakerd")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)

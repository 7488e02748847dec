"""What the service manager and the journal are told: the only module that imports systemd.

Without ``NOTIFY_SOCKET``, that is outside a unit, nothing is said and systemd's library is not loaded.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from speakerd.core.story import Kind, story

log = logging.getLogger("speakerd.host")

Notify = Callable[[str], object]
"""Passes variable assignments, one a line, to the service manager."""


class Notifier:
    """Tells systemd and the journal how we are; the ``Indicator`` of a speaker without lights. Thread: event loop.

    Args:
        notify: How to tell systemd; None: systemd's own way, if we run under it.
    """

    def __init__(self, notify: Notify | None = None) -> None:
        self._notify = notify or (_systemd() if os.environ.get("NOTIFY_SOCKET") else None)
        self._line = ""

    def ready(self) -> None:
        """Say that we are up: ``systemctl start`` returns."""
        self._tell("READY=1")

    def alive(self) -> None:
        """Say that every part moves: the watchdog waits for as long again."""
        self._tell("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again: ``systemctl reload`` waits until we are ready again."""
        # Not time.monotonic(): systemd compares whole microseconds of the very clock.
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, line: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._tell(f"STATUS={' '.join(line.split())}")

    def stopping(self) -> None:
        """Say that we are on our way out."""
        log.info("stopping", extra=story(Kind.STOPPING))
        self._tell("STOPPING=1\nSTATUS=stopping")

    def show(self, line: str) -> None:
        """Show one true sentence, in ``systemctl status`` and, when it changes, in the journal."""
        if line == self._line:
            return
        self._line = line
        log.info("%s", line, extra=story(Kind.STATE))
        self.status(line)

    def _tell(self, assignments: str) -> None:
        if self._notify is None:
            return
        try:
            self._notify(assignments)
        except OSError as error:
            log.warning("systemd cannot be told: %s", error)


Send = Callable[..., object]
"""Writes one entry of the journal: its message and its fields."""

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
"""Where the journal takes entries with fields (specified)."""


def journal(socket: Path = JOURNAL_SOCKET) -> Send | None:
    """Return how to write to the journal with fields; None: there is none, and systemd's library would say nothing."""
    if not socket.exists():
        return None
    from systemd.journal import send

    return cast("Send", send)


def _systemd() -> Notify:
    """Load systemd's library, which only a unit needs."""
    from systemd.daemon import notify

    return cast("Notify", notify)

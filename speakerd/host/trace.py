"""A diary as JSON lines, for the demo, the bench and the curious.

It may hold transcripts, so nobody but the user may read it, and without being asked for it is not kept.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("speakerd.host")


class NoTrace:
    """No diary is kept."""

    def mark(self, name: str, **fields: object) -> None:
        """Note nothing."""


class FileTrace:
    """A diary in a file, one JSON object a line: ``{"t": seconds, "name": ..., ...}``. Thread: event loop.

    A line is in the file when ``mark`` returns, so that another process can follow it.

    Args:
        path: The file; what it held is gone.
        now: Seconds on the monotonic clock.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._now = now
        self._descriptor: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.fchmod(self._descriptor, 0o600)

    def mark(self, name: str, **fields: object) -> None:
        """Note that something happened now; a full disk ends the diary, not the conversation."""
        if self._descriptor is None:
            return
        line = json.dumps({"t": round(self._now(), 6), "name": name, **fields}, default=str)
        try:
            os.write(self._descriptor, line.encode() + b"\n")
        except OSError as error:
            log.warning("the diary ends here, it cannot be written: %s", error)
            self.close()

    def close(self) -> None:
        """Close the file; nothing more is noted."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

"""The daemon's diary (``SPEAKERD_TRACE``) as another process reads it, while it is being written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Mark = dict[str, Any]
"""One line: ``t`` in seconds on the monotonic clock, ``name``, and what belongs to it."""


class Diary:
    """Reads a diary on from where it stopped last; a daemon that starts anew begins a new one at the same path.

    Args:
        path: The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._marks: list[Mark] = []
        self._offset = 0

    def begin(self) -> None:
        """Expect a new daemon: what the last one wrote is kept here, its file is removed."""
        self._read_on()
        self.path.unlink(missing_ok=True)
        self._offset = 0

    def marks(self, name: str | None = None, after_s: float = 0.0) -> list[Mark]:
        """Return what has been written so far, oldest first: everything, or the marks of one name after a moment."""
        self._read_on()
        return [mark for mark in self._marks if mark["t"] >= after_s and name in (None, mark["name"])]

    def _read_on(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]  # the last line may be half written
        self._offset += len(whole)
        self._marks.extend(json.loads(line) for line in whole.splitlines())

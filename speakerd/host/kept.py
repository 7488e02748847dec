"""What the owner chose by a command and expects to find again after a restart: muted or not, and the volume.

A small file in the state folder, replaced whole. It is renamed into place and not waited for on the disk: the loop is
not to wait for a slow card, and a file system that is worth the name keeps the order.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from speakerd.core.loudness import FULL

VERSION = 1
"""Of the file's form. A file of a later version is passed over, and written over with the next choice."""

MAX_BYTES = 4096
"""A longer file is none of ours (guess; it has 50 bytes)."""

log = logging.getLogger("speakerd.host")


@dataclass(frozen=True, slots=True)
class Choices:
    """What was chosen."""

    muted: bool = False
    """The owner does not want to be heard."""

    volume: int | None = None
    """In percent; None: never chosen."""

    volume_over: int | None = None
    """What the configuration said when that was chosen, in percent: it holds until another is written there."""


class Kept:
    """The owner's choices, on disk. Thread: event loop.

    Args:
        path: The file; its folder is made when there is something to keep.

    Attributes:
        choices: What holds now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.choices = _read(path)
        self._unwritten = False

    def keep_muted(self, muted: bool) -> str | None:
        """Keep whether somebody may be heard; return what is to be said where a restart will forget it."""
        return self._keep(replace(self.choices, muted=muted))

    def keep_volume(self, percent: int, over: int | None) -> str | None:
        """Keep a volume, and what the configuration said when it was chosen; return the same."""
        return self._keep(replace(self.choices, volume=percent, volume_over=over))

    def _keep(self, choices: Choices) -> str | None:
        """Keep what was chosen. Where that fails, it holds until the daemon ends, and the next choice tries again."""
        if choices == self.choices and not self._unwritten:
            return None
        self.choices = choices
        try:
            self._write()
        except OSError as error:
            self._unwritten = True
            log.warning("%s cannot be written, a restart will forget this choice: %s", self._path, error)
            return f"until the next start only: {self._path} cannot be written, {error.strerror or error}"
        self._unwritten = False
        return None

    def _write(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(json.dumps({"version": VERSION, **asdict(self.choices)}) + "\n")
        fresh.replace(self._path)


def _read(path: Path) -> Choices:
    """Return what a file holds; what cannot be understood does not count, but being muted is never given up lightly."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Choices()
    except OSError as error:
        log.warning("%s cannot be read: muted, until 'speakerd unmute': %s", path, error)
        return Choices(muted=True)
    try:
        return _parse(content)
    except (ValueError, RecursionError) as error:
        log.warning("%s is not understood (%s): muted, until 'speakerd unmute'", path, error)
        return Choices(muted=True)


def _parse(content: bytes) -> Choices:
    document = json.loads(content) if len(content) <= MAX_BYTES else None
    if not isinstance(document, dict) or document.get("version") != VERSION or "muted" not in document:
        raise ValueError("not a file of this version")
    # What is not plainly "false" may have been meant to be "true".
    muted = document["muted"] is not False
    return Choices(muted, _percent(document.get("volume")), _percent(document.get("volume_over")))


def _percent(told: object) -> int | None:
    """Return a volume that makes sense."""
    if isinstance(told, int) and not isinstance(told, bool) and 0 <= told <= FULL:
        return told
    return None

"""The ledger's file: read with suspicion, added to under a lock, replaced whole.

Each process adds what it has counted to what it finds there: nobody writes over what another one has spent. What is
counted, and when it is written, is ``ledger.py``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import date
from pathlib import Path

from speakerd.core.spend import NOTHING_SPENT, Spend, Usage, latest

VERSION = 1
"""Of the file's form. A file of a later version is kept aside, never written over."""

KEPT_DAYS = 90
"""Days of talk that are kept (guess: a quarter's bill)."""

MAX_BYTES = 256 * 1024
"""A longer file is none of ours (guess; 90 days take 16 kB, measured)."""

MAX_USD = 1e6
"""No day costs as much (guess)."""

log = logging.getLogger("speakerd.ledger")


def add_up(days: Mapping[date, Spend], more: Mapping[date, Spend]) -> Mapping[date, Spend]:
    """Add days up."""
    return {**days, **{day: days.get(day, NOTHING_SPENT) + spend for day, spend in more.items()}}


def version_of(path: Path) -> object:
    """Return what changes whenever somebody replaces the file; None: it cannot be told."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def save(
    path: Path, known: Mapping[date, Spend], more: Mapping[date, Spend], today: date
) -> tuple[Mapping[date, Spend], object] | OSError:
    """Add days to those of the file; return what it holds then and its version, or why that failed. Thread: any."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path.parent):
            days = latest(add_up(read(path, known, anew=False), more), today, KEPT_DAYS)
            _replace(path, days)
            return days, version_of(path)
    except OSError as error:
        return error


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keep other processes that do the same out, for the milliseconds of a write."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # and with it the lock


def _replace(path: Path, days: Mapping[date, Spend]) -> None:
    """Replace the file at once, for its owner and group only.

    Raises:
        OSError: it could not be replaced.
    """
    document = {"version": VERSION, "days": {day.isoformat(): spend.as_plain_data() for day, spend in days.items()}}
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        if os.geteuid() == 0:  # the daemon must be able to read what root wrote in its place
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(json.dumps(document) + "\n")
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def read(path: Path, known: Mapping[date, Spend], *, anew: bool = True) -> Mapping[date, Spend]:
    """Return the days of a file; one that cannot be understood is kept aside. Without a file, what is known holds.

    Args:
        path: The file.
        known: What is known of it.
        anew: Go on without a file that is there and cannot be read; it is not to be written over.

    Raises:
        OSError: it cannot be read, and ``anew`` is not set.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return known
    except OSError as error:
        if not anew:
            raise
        log.warning("%s cannot be read, what it holds does not count: %s", path, error)
        return known
    try:
        return _parse(content)
    except (ValueError, RecursionError) as error:
        aside = path.with_name(f"{path.name}.aside")
        log.warning("%s is not understood (%s): kept as %s, what it holds does not count", path, error, aside.name)
        try:
            path.replace(aside)
        except OSError as failure:
            log.warning("%s cannot be kept aside: %s", path, failure)
        return known


def _parse(content: bytes) -> dict[date, Spend]:
    """Read a file's content.

    Raises:
        ValueError: it is not what this version writes.
    """
    if len(content) > MAX_BYTES:
        raise ValueError("too long")
    document = json.loads(content)
    if (
        not isinstance(document, dict)
        or document.get("version") != VERSION
        or not isinstance(document.get("days"), dict)
    ):
        raise ValueError(f"not version {VERSION}")
    return {date.fromisoformat(day): _spend(values) for day, values in document["days"].items()}


def _spend(values: object) -> Spend:
    day = values if isinstance(values, dict) else {}
    usd = day.get("usd")
    if isinstance(usd, bool) or not isinstance(usd, int | float) or not 0 <= usd < MAX_USD:  # nor is NaN
        raise ValueError("a day without a sum")
    kinds = {one.name: _whole(day, one.name) for one in fields(Usage)}
    return Spend(Usage(**kinds), float(usd), _whole(day, "turns"))


def _whole(values: Mapping[str, object], name: str) -> int:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is no count")
    return value

"""Setting up the log: human lines to standard error, which the service manager takes into its journal.

Secrets are masked in the finished text, after arguments and tracebacks have gone into it. What is logged is decided
where it is logged; nothing is written to files.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from speakerd.core.story import Told
from speakerd.host.notify import Send, journal

MASK = "[masked]"
"""Stands where a secret stood."""

_AFTER_ITS_NAME = re.compile(
    r"""(?ix) ( \b (?: bearer \s+ | basic \s+
        | (?: api[-_]?key | (?:access_|refresh_|id_)?token | client_secret | password ) ["']* \s* [:=] \s* ["']* ) )
        [^\s"',;&]{6,}"""
)
_BY_ITS_FORM = re.compile(
    r"""(?x) \b (?:
        sk-[\w-]{8,}                    # OpenAI's keys
      | eyJ[\w-]{8,}(?:\.[\w-]+){1,4}   # JSON web tokens, as Entra gives them
      | [0-9a-fA-F]{32}                 # Azure's keys, old
      | [0-9A-Za-z]{84}                 # and new
    ) \b"""
)

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
"""The level from which a record has a priority of syslog (specified)."""


class _Ours(logging.Handler):
    """Ours, so that setting up twice does not write twice."""


class JournalHandler(_Ours):
    """Writes entries of the journal: the words as they are, beside them fields to find them by; secrets masked.

    Args:
        send: Writes one entry.
    """

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; one that cannot be written ends nothing."""
        told = getattr(record, "story", None)
        fields = told.as_journal_fields() if isinstance(told, Told) else {}
        try:
            self._send(
                mask(self.format(record)),
                PRIORITY=str(_priority(record)),
                SYSLOG_IDENTIFIER="speakerd",
                CODE_FILE=record.pathname,
                CODE_LINE=record.lineno,
                CODE_FUNC=record.funcName,
                SPEAKERD_AREA=record.name,
                **{name: value if name == "MESSAGE_ID" else mask(value) for name, value in fields.items()},
            )
        except (OSError, ValueError):
            self.handleError(record)


class _Handler(_Ours, logging.StreamHandler[TextIO]):
    """Writes lines to a stream."""


class HumanFormatter(logging.Formatter):
    """One line a record for people: time, level, area, message; secrets masked."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text without secrets."""
        return mask(super().format(record))


class JournalFormatter(logging.Formatter):
    """The same for a journal that takes lines only, and knows the time: a priority in front of each."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as lines with priorities, without secrets."""
        lines = mask(super().format(record)).splitlines() or [""]
        return "\n".join(f"<{_priority(record)}>{line}" for line in lines)


def _priority(record: logging.LogRecord) -> int:
    return next((number for level, number in _PRIORITIES if record.levelno >= level), 7)


def mask(text: str) -> str:
    """Return a text with everything masked that looks like a key or a token."""
    return _BY_ITS_FORM.sub(MASK, _AFTER_ITS_NAME.sub(rf"\1{MASK}", text))


def set_up(
    level: str,
    *,
    stream: TextIO | None = None,
    environment: Mapping[str, str] | None = None,
    journal: Callable[[], Send | None] = journal,
) -> None:
    """Send the log to standard error, or with fields to the journal where that is the same; others' from WARNING on.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        stream: Where to; None: standard error.
        environment: The environment's variables; None: the process's.
        journal: Finds out how entries with fields are written; None from it: there is no way.
    """
    target = sys.stderr if stream is None else stream
    is_journal = _is_journal(target, os.environ if environment is None else environment)
    send = journal() if is_journal else None
    handler: _Ours
    if send is not None:
        handler = JournalHandler(send)
    else:
        handler = _Handler(target)
        handler.setFormatter(JournalFormatter() if is_journal else HumanFormatter())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Ours)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("speakerd").setLevel(level.upper())


def _is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Tell whether a stream goes to the journal: systemd names the socket's device and inode."""
    named = environment.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        status = os.fstat(stream.fileno())
    except OSError:  # not a file at all
        return False
    return named == f"{status.st_dev}:{status.st_ino}"

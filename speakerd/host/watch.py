"""``speakerd status --watch``: the page again and again, in place on a terminal, as lines elsewhere.

The daemon measures levels only when it is asked, so a watch costs it a request now and then, and nobody watching
nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from speakerd.host.status_text import format_line, format_status

REDRAW_S = 0.25
"""Between two pages: meters that follow speech (chosen)."""

LINE_S = 1.0
"""Between two lines: a log that can be read (chosen)."""

UNKNOWN_SIZE = os.terminal_size((80, 24))
"""A serial console does not know how large it is, and says 0 (observed); such are at least so large (chosen)."""

_CLEAR_BELOW = "\x1b[J"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def watch(
    ask: Callable[[], Mapping[str, Any]],
    out: TextIO,
    *,
    wait: Callable[[float], None] = time.sleep,
    size: Callable[[], os.terminal_size] | None = None,
) -> None:
    """Show the status until somebody has seen enough.

    Args:
        ask: Asks the daemon for its status.
        out: Where it is shown.
        wait: Waits so many seconds.
        size: Of the terminal; None: asked of ``out``.

    Raises:
        SpeakerdError: the daemon has gone.

    Ends: by Ctrl-C, as ``KeyboardInterrupt``, or with the daemon.
    """
    if not out.isatty():
        while True:
            out.write(f"{format_line(ask())}\n")
            out.flush()
            wait(LINE_S)
    measure = size or (lambda: os.get_terminal_size(out.fileno()))
    drawn = 0
    out.write(_HIDE_CURSOR)
    try:
        while True:
            page = fitted(format_status(ask(), meters=True), measure())
            out.write((f"\x1b[{drawn}F" if drawn else "") + _CLEAR_BELOW + page + "\n")
            out.flush()
            drawn = page.count("\n") + 1
            wait(REDRAW_S)
    finally:
        out.write(_SHOW_CURSOR)
        out.flush()


def fitted(page: str, size: os.terminal_size) -> str:
    """Return as much of a page as a terminal shows: what wraps or scrolls could not be drawn over."""
    columns, lines = size.columns or UNKNOWN_SIZE.columns, size.lines or UNKNOWN_SIZE.lines
    return "\n".join(line[:columns] for line in page.splitlines()[: max(1, lines - 1)])

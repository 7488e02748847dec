"""The status, live."""

from __future__ import annotations

import io
import os

import pytest

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.host.watch import LINE_S, REDRAW_S, fitted, watch

GONE = SpeakerdError("daemon-unreachable", "the daemon is not running", Remedy.OPERATOR)


class Terminal(io.StringIO):
    """Somewhere one can draw, or not."""

    def __init__(self, *, tty: bool):
        super().__init__()
        self.tty = tty

    def isatty(self):
        return self.tty


def watched(out, *answers, size=(100, 40)):
    """Watch until the daemon has given these answers and is gone; return how long was waited between them."""
    left, waits = list(answers), []

    def ask():
        if not left:
            raise GONE
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    with pytest.raises((SpeakerdError, KeyboardInterrupt)):
        watch(ask, out, wait=waits.append, size=lambda: os.terminal_size(size))
    return waits


def test_a_page_is_drawn_over_the_one_before():
    """In place, with meters; the cursor is back when it ends, also by Ctrl-C."""
    out = Terminal(tty=True)
    card = {"found": True, "level_dbfs": -36.0}
    waits = watched(out, {"line": "one", "microphone": card}, {"line": "two"}, KeyboardInterrupt())
    hidden, first, second = out.getvalue().split("\x1b[J")
    assert hidden == "\x1b[?25l"
    lines = first.count("\n")
    assert first.startswith("one\n")
    assert "[############............]" in first
    assert first.endswith(f"\x1b[{lines}F")
    assert second.startswith("two\n")
    assert second.endswith("\x1b[?25h")
    assert waits == [REDRAW_S] * 2


def test_elsewhere_there_are_lines():
    """Without a control character, so that they can be kept."""
    out = Terminal(tty=False)
    assert watched(out, {"line": "one"}, {"line": "two"}) == [LINE_S] * 2
    assert [line[10:13] for line in out.getvalue().splitlines()] == ["one", "two"]
    assert "\x1b" not in out.getvalue()


def test_a_small_terminal_shows_what_fits():
    """What would wrap or scroll could not be drawn over."""
    assert fitted("abcdef\nghijkl\nmnopqr", os.terminal_size((4, 3))) == "abcd\nghij"
    assert fitted("abcdef", os.terminal_size((4, 1))) == "abcd"
    assert fitted("x" * 100, os.terminal_size((0, 0))) == "x" * 80, "a serial console does not know its size"

"""What a terminal shows of a sign-in with a code: where to go, also as a QR code, the code large, and the time left.

No colours: a QR code's light parts are drawn and its dark ones left out, for a terminal with a dark background; phones
read it the other way round as well. What is written to a file or a pipe is plain text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TextIO

from speakerd.host.large_letters import glyph

INDENT = 4
"""Columns before what is to be found at a glance (guess)."""

QUIET_ZONE = 4
"""Light modules around a QR code (specified)."""

_GROUP_GAP = 4
"""Columns between two groups of large characters, beside the one behind each character (guess)."""

_HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
"""Two pixels, one above the other, in one character."""

Bitmap = Sequence[Sequence[bool]]


class CodePage:
    """Writes it.

    Args:
        out: Where to.
        columns: Its width; None: it is no terminal.
    """

    def __init__(self, out: TextIO, columns: int | None) -> None:
        self._out = out
        self._columns = columns
        self._draws = columns is not None and _can_draw(out)
        self._progress = 0

    def show(self, verification_uri: str, user_code: str) -> None:
        """Show where to sign in, and the code to enter there."""
        columns = self._columns if self._draws and self._columns is not None else 0
        self.say("\n".join(_lines(verification_uri, user_code, columns)))

    def wait(self, what: str, left_s: float | None = None) -> None:
        """Show what is waited for and how long it may take, over what was shown before; nothing where that cannot be.

        Args:
            what: What is waited for.
            left_s: How much time is left; None: nobody knows.
        """
        if self._columns is None:
            return
        text = what if left_s is None else f"{what}, {_clock(left_s)} left"
        text = text[: self._columns - 1]
        self._out.write(f"\r{text:<{self._progress}}")
        self._out.flush()
        self._progress = len(text)

    def say(self, text: str) -> None:
        """Write lines that stay."""
        self.clear()
        self._out.write(f"{text}\n")
        self._out.flush()

    def clear(self) -> None:
        """Take away what is shown of the waiting, and the ^C that a terminal may have put behind it."""
        if self._progress and self._columns is not None:
            self._out.write(f"\r{'':<{self._columns - 1}}\r")
            self._out.flush()
            self._progress = 0


def columns_of(out: TextIO) -> int | None:
    """Return the width of a terminal; None: it is none."""
    try:
        return os.get_terminal_size(out.fileno()).columns or 80 if out.isatty() else None
    except OSError:  # a file without descriptor, or a terminal that knows no size
        return None


def grouped(user_code: str) -> str:
    """Return a code in groups that can be remembered until they are written down: of four, or of three."""
    size = 4 if len(user_code) % 4 == 0 else 3
    return " ".join(user_code[at : at + size] for at in range(0, len(user_code), size))


def qr_lines(text: str) -> list[str]:
    """Return a text as a QR code in half blocks, its quiet zone around it."""
    import segno

    modules = segno.make(text, micro=False).matrix_iter(border=QUIET_ZONE)
    return half_blocks([[not dark for dark in row] for row in modules])


def large_lines(user_code: str) -> list[str] | None:
    """Return a code in large characters, grouped; None: one of them cannot be drawn large."""
    rows: list[list[bool]] = [[] for _ in glyph("0") or ()]
    for character in grouped(user_code):
        if character == " ":
            picture: Bitmap | None = [[False] * (_GROUP_GAP - 1)] * len(rows)
        else:
            picture = glyph(character)
        if picture is None:
            return None
        for row, pixels in zip(rows, picture, strict=True):
            row += [*pixels, False]
    return half_blocks(rows)


def half_blocks(rows: Bitmap) -> list[str]:
    """Return pixels as text, two rows a line."""
    padded = [*rows, [False] * len(rows[0])] if len(rows) % 2 else rows
    pairs = zip(padded[::2], padded[1::2], strict=True)
    return ["".join(_HALVES[bool(up), bool(low)] for up, low in zip(*pair, strict=True)).rstrip() for pair in pairs]


def _lines(uri: str, user_code: str, columns: int) -> Iterator[str]:
    """Give the page; what people cannot do without stands last, where a low terminal still shows it."""
    qr_code = qr_lines(uri)
    if _fit(qr_code, columns):
        yield from _indented(qr_code)
    yield "To sign in, open this page on a phone or a computer:"
    yield from ("", f"{'':{INDENT}}{uri}", "", "and enter this code there:", "")
    large = large_lines(user_code)
    if large is not None and _fit(large, columns):
        yield from (*_indented(large), "")
        yield f"{'':{INDENT}}{user_code}"
    else:
        yield f"{'':{INDENT}}{user_code}   ({grouped(user_code)})"
    yield ""


def _fit(lines: Sequence[str], columns: int) -> bool:
    return INDENT + max(map(len, lines)) < columns


def _indented(lines: Sequence[str]) -> Iterator[str]:
    return (f"{'':{INDENT}}{line}".rstrip() for line in lines)


def _can_draw(out: TextIO) -> bool:
    try:
        "".join(_HALVES.values()).encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _clock(span_s: float) -> str:
    minutes, seconds = divmod(max(0, round(span_s)), 60)
    return f"{minutes}:{seconds:02}"

"""What a terminal shows of a sign-in: all of it where there is room, plain text everywhere else."""

from __future__ import annotations

import io
import os
import pty
import string
from pathlib import Path

import pytest
import segno

from speakerd.host.code_page import CodePage, columns_of, grouped, half_blocks, large_lines, qr_lines
from speakerd.host.large_letters import LETTER_COLUMNS, glyph

URI, CODE = "https://microsoft.com/devicelogin", "GTHM6NKXT"
BLOCKS = set("▀▄█")


class Paper(io.StringIO):
    """Text, with the encoding of a terminal."""

    encoding = "utf-8"


def shown(columns, code=CODE, encoding="utf-8"):
    paper = Paper()
    paper.encoding = encoding
    CodePage(paper, columns).show(URI, code)
    return paper.getvalue()


def pixels_of(lines):
    """What half blocks show."""
    width = max(map(len, lines))
    rows = []
    for line in lines:
        rows.append([mark in "▀█" for mark in line.ljust(width)])
        rows.append([mark in "▄█" for mark in line.ljust(width)])
    return rows


def test_the_qr_code_is_the_address():
    """Its dark modules are what is not drawn, with the quiet zone that phones need."""
    pixels = pixels_of(qr_lines(URI))
    modules = [list(map(bool, row)) for row in segno.make(URI, micro=False).matrix_iter(border=4)]
    assert [[not pixel for pixel in row] for row in pixels[: len(modules)]] == modules


def test_a_wide_terminal_shows_everything():
    """QR code, address, and the code both large and as text to copy; nothing goes beyond the edge."""
    page = shown(80)
    lines = page.splitlines()
    assert f"    {URI}" in lines
    assert f"    {CODE}" in lines
    drawn = [line for line in lines if BLOCKS & set(line)]
    assert len(drawn) == len(qr_lines(URI)) + 4
    assert max(map(len, lines)) < 80
    assert lines.index(f"    {CODE}") > lines.index(f"    {URI}") > lines.index(drawn[0])


@pytest.mark.parametrize("columns", [None, 20, 40])
def test_without_room_there_is_text(columns):
    """A pipe and a narrow terminal get the address, and the code as one and in groups."""
    page = shown(columns)
    assert not BLOCKS & set(page)
    assert f"    {URI}\n" in page
    assert f"    {CODE}   (GTH M6N KXT)\n" in page


def test_a_terminal_for_the_qr_code_alone_shows_that():
    """The large code needs more room."""
    page = shown(60)
    assert len([line for line in page.splitlines() if BLOCKS & set(line)]) == len(qr_lines(URI))
    assert "(GTH M6N KXT)" in page


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", None, "no-such-code"])
def test_a_terminal_without_blocks_gets_text(encoding):
    """Nothing is written that it cannot show."""
    page = shown(200, encoding=encoding)
    assert page.isascii()
    assert CODE in page


def test_a_code_with_strange_characters_is_shown_as_text():
    """What has no large picture is readable all the same."""
    page = shown(200, code="ab_CD")
    assert "    ab_CD   (ab_ CD)\n" in page


@pytest.mark.parametrize(
    ("code", "groups"), [("ABCDEFGHJ", "ABC DEF GHJ"), ("ABCDEFGH", "ABCD EFGH"), ("ABCDE", "ABC DE"), ("", "")]
)
def test_codes_are_grouped(code, groups):
    """By four where that comes out even, else by three."""
    assert grouped(code) == groups


def test_no_two_large_characters_look_alike():
    """Each of the 36 has a picture of its own, of one size; a 0 is no O."""
    pictures = [glyph(character) for character in string.ascii_uppercase + string.digits]
    assert all(picture is not None for picture in pictures)
    assert {(len(picture), len(row)) for picture in pictures for row in picture} == {(7, LETTER_COLUMNS)}
    assert len({str(picture) for picture in pictures}) == 36


def test_large_characters_are_drawn_as_they_are():
    """Two rows a line, one column apart."""
    assert large_lines("LT") == ["█     ▀▀█▀▀", "█       █", "█       █", "▀▀▀▀▀   ▀"]
    assert large_lines("?") is None
    assert half_blocks([[True, False], [False, True], [True, True]]) == ["▀▄", "▀▀"]


def test_waiting_is_one_line_that_is_rewritten():
    """It never grows longer than the terminal, leaves no rest behind, and is gone when something else is said."""
    paper = Paper()
    page = CodePage(paper, 40)
    page.wait("waiting for you", 605.2)
    page.wait("waiting for you", 5.0)
    page.wait("x" * 100)
    page.say("done")
    parts = paper.getvalue().split("\r")
    assert parts[1:3] == ["waiting for you, 10:05 left", "waiting for you, 0:05 left "]
    assert parts[3:] == ["x" * 39, " " * 39, "done\n"]


def test_a_pipe_hears_nothing_of_the_waiting():
    """A log would be full of it."""
    paper = Paper()
    page = CodePage(paper, None)
    page.wait("waiting for you", 605.0)
    page.clear()
    page.say("done")
    assert paper.getvalue() == "done\n"


def test_the_width_of_a_terminal_is_known():
    """A terminal that says 0 has the usual 80 columns; a file, a pipe and a text in memory have none."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb"), os.fdopen(theirs, "w") as terminal, Path(os.devnull).open() as file:
        assert columns_of(terminal) == 80
        assert columns_of(file) is None
    assert columns_of(io.StringIO()) is None

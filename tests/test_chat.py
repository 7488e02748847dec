"""What ``chat`` reads: lines of a terminal, a pipe or a file. The conversation itself is told elsewhere."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from speakerd.chat import LineReader


async def read_all(reader: LineReader) -> list[str]:
    """Return every line there is."""
    lines = []
    while (line := await reader()) is not None:
        lines.append(line)
    return lines


async def test_lines_of_a_pipe_come_as_they_are_written() -> None:
    """A line is there as soon as it is whole; the loop goes on meanwhile."""
    read_end, write_end = os.pipe()
    try:
        reader = LineReader(read_end)
        os.write(write_end, b"one\ntw")
        assert await reader() == "one"
        waiting = asyncio.create_task(reader())
        await asyncio.sleep(0)
        assert not waiting.done()
        os.write(write_end, b"o\nthree\n\n")
        assert await waiting == "two"
        assert [await reader(), await reader()] == ["three", ""]
    finally:
        os.close(write_end)
    assert await reader() is None
    assert await reader() is None
    os.close(read_end)


async def test_a_file_can_be_read_as_well(tmp_path: Path) -> None:
    """A file cannot be waited for and need not be; its last line needs no end, and foreign ends are taken off."""
    path = tmp_path / "typed"
    path.write_bytes("grüß\r\nlast \xff".encode("latin-1") + b"")
    with path.open("rb") as file:
        assert await read_all(LineReader(file.fileno())) == ["gr\ufffd\ufffd", "last \ufffd"]


async def test_an_empty_file_is_an_end() -> None:
    """Nothing typed is no message."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    assert await LineReader(descriptor)() is None
    os.close(descriptor)


async def test_waiting_for_a_line_can_be_given_up() -> None:
    """Cancelled, it leaves the descriptor to whoever reads it next."""
    read_end, write_end = os.pipe()
    try:
        reader = LineReader(read_end)
        waiting = asyncio.create_task(reader())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        os.write(write_end, b"later\n")
        assert await reader() == "later"
    finally:
        os.close(write_end)
        os.close(read_end)

"""What was found of the echo survives a restart, and only between the same cards."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from speakerd.core.echo_found import EchoFound, Setup
from speakerd.core.echo_path import EchoFigures
from speakerd.host.echo_file import MAX_SETUPS, EchoFile, sound_cards

if TYPE_CHECKING:
    from pathlib import Path

SETUP = Setup("plughw:1", "default", ("UM10: USB-Audio - mic",))
INAUDIBLE = EchoFigures(windows=2, inaudible=True)
MEASURED = EchoFigures(windows=9, echo_dbfs=-31.5, delay_ms=42.25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in a directory that is not there yet."""
    return tmp_path / "state" / "echo.json"


def kept(path: Path, setup: Setup, figures: EchoFigures) -> None:
    """Have a daemon find something, and end."""
    file = EchoFile(path, setup)
    file.note(figures)
    file.close()


async def test_what_was_found_is_written_while_the_daemon_runs(path) -> None:
    """In a worker thread, as soon as it is news, and for its owner and group only."""
    file = EchoFile(path, SETUP)
    assert file.found is None
    running = asyncio.ensure_future(file.run())
    file.note(INAUDIBLE)
    await asyncio.sleep(0)  # it has begun to write
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert EchoFile(path, SETUP).found == EchoFound(hears_echo=False)
    assert path.stat().st_mode & 0o007 == 0
    assert [child.name for child in path.parent.iterdir()] == ["echo.json"]


def test_an_echo_is_found_again_with_its_figures(path) -> None:
    """And what is no news is not written."""
    kept(path, SETUP, MEASURED)
    assert EchoFile(path, SETUP).found == EchoFound(True, -31.5, 42.25)
    path.unlink()
    file = EchoFile(path, SETUP)
    file.close()
    assert not path.exists()


@pytest.mark.parametrize(
    "other",
    [
        replace(SETUP, capture="default"),
        replace(SETUP, playback="hw:2"),
        replace(SETUP, cards=("UM10: USB-Audio - mic", "Headset: USB-Audio - new")),
    ],
)
def test_between_other_cards_nothing_is_known(path, other) -> None:
    """But what was found before is known again when it comes back."""
    kept(path, SETUP, INAUDIBLE)
    assert EchoFile(path, other).found is None
    kept(path, other, MEASURED)
    assert EchoFile(path, SETUP).found == EchoFound(hears_echo=False)


def test_an_echo_that_has_come_is_not_forgotten_over_a_restart(path) -> None:
    """No echo is disbelieved from the next start on, though nobody has measured it."""
    kept(path, SETUP, INAUDIBLE)
    kept(path, SETUP, EchoFigures())
    assert EchoFile(path, SETUP).found is None


def test_only_the_last_setups_are_kept(path) -> None:
    """Whoever tries many cards does not fill the disk."""
    for number in range(MAX_SETUPS + 2):
        kept(path, replace(SETUP, capture=f"hw:{number}"), INAUDIBLE)
    assert EchoFile(path, replace(SETUP, capture="hw:1")).found is None
    assert EchoFile(path, replace(SETUP, capture="hw:2")).found is not None


ENTRY = '"capture": "a", "playback": "b"'


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"version": 2, "setups": []}',
        '{"version": 1}',
        '{"version": 1, "setups": [3]}',
        f'{{"version": 1, "setups": [{{{ENTRY}, "hears_echo": true}}]}}',
        f'{{"version": 1, "setups": [{{{ENTRY}, "hears_echo": true, "cards": [1]}}]}}',
        f'{{"version": 1, "setups": [{{{ENTRY}, "hears_echo": true, "cards": [], "delay_ms": "x"}}]}}',
        f'{{"version": 1, "setups": [{{{ENTRY}, "hears_echo": true, "cards": [], "delay_ms": NaN}}]}}',
        "[" * 60_000,
        " " * 70_000,
    ],
)
def test_a_file_that_is_not_understood_is_as_good_as_none(path, content, caplog) -> None:
    """It is said, and what is found next is written in its place."""
    path.parent.mkdir()
    path.write_text(content)
    assert EchoFile(path, SETUP).found is None
    assert "tells nothing of the echo" in caplog.text
    kept(path, SETUP, INAUDIBLE)
    assert json.loads(path.read_text())["setups"][0]["hears_echo"] is False


def test_says_once_that_it_cannot_be_written(tmp_path, caplog) -> None:
    """Where the directory is a file."""
    (tmp_path / "state").write_text("")
    file = EchoFile(tmp_path / "state" / "echo.json", SETUP)
    caplog.clear()
    file.note(INAUDIBLE)
    file.close()
    file.note(MEASURED)
    file.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert file.found == EchoFound(True, -31.5, 42.25)


def test_lists_the_sound_cards_of_the_machine_whatever_their_order(tmp_path) -> None:
    """By id and name; the second line of each says where it is plugged in."""
    listing = tmp_path / "cards"
    listing.write_text(
        " 0 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi\n"
        "                      vc4-hdmi\n"
        " 1 [UM10           ]: USB-Audio - mic\n"
        "                      somebody at usb-3f980000\n"
    )
    assert sound_cards(listing) == ("UM10: USB-Audio - mic", "vc4hdmi: vc4-hdmi - vc4-hdmi")
    assert sound_cards(tmp_path / "none") == ()


def test_other_cards_have_their_own_findings(path) -> None:
    """Neither is forgotten over the other."""
    other = replace(SETUP, playback="hw:2")
    kept(path, other, INAUDIBLE)
    file = EchoFile(path, SETUP)
    file.note(MEASURED)
    file.use(other)
    assert file.found == EchoFound(hears_echo=False)
    file.use(SETUP)
    assert file.found == EchoFound(True, -31.5, 42.25)

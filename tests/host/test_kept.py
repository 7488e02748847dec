"""The owner's choices outlive a restart."""

from __future__ import annotations

import json
import logging

import pytest

from speakerd.host.kept import Choices, Kept


def test_choices_are_found_again(tmp_path):
    """Each by itself, and the last one holds."""
    path = tmp_path / "state/choices.json"
    kept = Kept(path)
    assert kept.choices == Choices(muted=False, volume=None)
    assert not path.parent.exists(), "nothing chosen, nothing written"
    kept.keep_muted(True)
    kept.keep_volume(30, 40)
    assert Kept(path).choices == Choices(muted=True, volume=30, volume_over=40)
    kept.keep_muted(False)
    assert Kept(path).choices == Choices(muted=False, volume=30, volume_over=40)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["choices.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "[]",
        "{",
        '{"version": 2, "muted": false}',
        '{"version": 1}',
        "[" * 5000,
    ],
)
def test_a_file_that_is_not_understood_leaves_it_muted(tmp_path, caplog, content):
    """It may have said so: rather deaf, and saying how to change that, than listening against somebody's will."""
    path = tmp_path / "choices.json"
    path.write_text(content)
    assert Kept(path).choices == Choices(muted=True)
    assert "speakerd unmute" in caplog.text


@pytest.mark.parametrize("volume", [-1, 101, 3.5, "9", None, True])
def test_a_volume_that_makes_no_sense_does_not_count(tmp_path, volume):
    """The rest does."""
    path = tmp_path / "choices.json"
    path.write_text(json.dumps({"version": 1, "muted": True, "volume": volume}))
    assert Kept(path).choices == Choices(muted=True)


def test_a_choice_that_cannot_be_kept_holds_all_the_same(tmp_path, caplog):
    """Until the end of the daemon; the journal says so."""
    (tmp_path / "state").write_text("a file where a folder belongs")
    with caplog.at_level(logging.WARNING):
        kept = Kept(tmp_path / "state/choices.json")
        told = kept.keep_muted(True)
    assert kept.choices.muted
    assert "a restart will forget" in caplog.text
    assert told is not None, "whoever chose it is told, too: they may count on it"
    assert told.startswith("until the next start only: ")
    assert str(tmp_path) in told


def test_the_same_choice_is_kept_when_there_is_room_again(tmp_path):
    """It was chosen before, but never written."""
    place = tmp_path / "state"
    place.write_text("a file where a folder belongs")
    kept = Kept(place / "choices.json")
    assert kept.keep_muted(True) is not None
    place.unlink()
    assert kept.keep_muted(True) is None
    assert Kept(place / "choices.json").choices.muted


@pytest.mark.parametrize("muted", [0, "false", None, []])
def test_what_is_not_plainly_false_is_muted(tmp_path, muted):
    """Somebody's hand may have written it."""
    path = tmp_path / "choices.json"
    path.write_text(json.dumps({"version": 1, "muted": muted, "volume": 7}))
    assert Kept(path).choices == Choices(muted=True, volume=7)

"""The diary is read while another process writes it."""

from __future__ import annotations

from pathlib import Path

from speakerd.demo.diary import Diary


def test_diary_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    """Before the daemon has begun there is nothing to read."""
    assert Diary(tmp_path / "trace").marks() == []


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    """A line counts once it is whole, and once only."""
    diary = Diary(tmp_path / "trace")
    diary.path.write_text('{"t": 1.0, "name": "wake"}\n{"t": 2.0, "na')
    assert [mark["name"] for mark in diary.marks()] == ["wake"]
    diary.path.write_text('{"t": 1.0, "name": "wake"}\n{"t": 2.0, "name": "flush"}\n')
    assert [mark["name"] for mark in diary.marks()] == ["wake", "flush"]


def test_marks_are_chosen_by_name_and_moment(tmp_path: Path) -> None:
    """Marks come by name, after a moment, or all."""
    diary = Diary(tmp_path / "trace")
    diary.path.write_text('{"t": 1, "name": "a"}\n{"t": 2, "name": "b"}\n{"t": 3, "name": "a"}\n')
    assert [mark["t"] for mark in diary.marks("a")] == [1, 3]
    assert [mark["t"] for mark in diary.marks(after_s=2)] == [2, 3]


def test_new_daemon_adds_to_the_old_ones_diary(tmp_path: Path) -> None:
    """What an earlier daemon wrote is kept when the next one begins its own."""
    diary = Diary(tmp_path / "trace")
    diary.path.write_text('{"t": 1, "name": "a"}\n')
    diary.begin()
    assert not diary.path.exists()
    diary.path.write_text('{"t": 2, "name": "b"}\n')
    assert [mark["name"] for mark in diary.marks()] == ["a", "b"]

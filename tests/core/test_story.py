"""What the journal tells beyond words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from speakerd.core.story import Kind, story

PACKAGE = Path(__file__).parents[2] / "speakerd"


def test_ids_are_128_bits_and_differ():
    """As the journal wants them."""
    ids = [kind.value for kind in Kind]
    assert len(set(ids)) == len(ids) == len(Kind.__members__)
    assert all(re.fullmatch(r"[0-9a-f]{32}", value) for value in ids)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_told_somewhere(kind):
    """The table promises nothing that nobody logs."""
    modules = (path for path in PACKAGE.rglob("*.py") if path.name != "story.py")
    assert any(f"Kind.{kind.name}," in text or f"Kind.{kind.name})" in text for text in map(Path.read_text, modules))


def test_fields_have_the_journals_names():
    """What was not there to measure is no field."""
    told = story(Kind.DEVICE_LOST, device="microphone", code="device-lost", open_ms=None)["story"]
    assert told.as_journal_fields() == {
        "MESSAGE_ID": "20ea4d9201fa406f852dba49e6d5d581",
        "SPEAKERD_EVENT": "device-lost",
        "SPEAKERD_DEVICE": "microphone",
        "SPEAKERD_CODE": "device-lost",
    }

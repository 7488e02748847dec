"""The picture is self-contained, and nothing in it lies over anything else."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.demo.layout import Label, Note, place_captions, place_labels, wrapped
from speakerd.demo.picture import Sound, draw, legend
from speakerd.demo.timeline import Spoken, build

MARKS = [
    {"t": 10.7, "name": "wake"},
    {"t": 10.71, "name": "uplink", "from_frame": 1},
    {"t": 10.72, "name": "uplink", "bytes": 14400, "total_bytes": 14400},
    {"t": 11.5, "name": "uplink", "bytes": 960, "total_bytes": 15360},
    {"t": 12.0, "name": "response.created", "response_id": "r"},
    {"t": 12.1, "name": "downlink", "response_id": "r", "bytes": 4800},
    {"t": 12.2, "name": "downlink", "response_id": "r", "bytes": 38400},
    {"t": 12.3, "name": "transcript", "role": "assistant", "text": "<It> is & was ten."},
    {"t": 14.0, "name": "state", "before": "speaking", "after": "follow-up", "on": "PlaybackDrained"},
]
RATE_HZ = 1000


def picture(echo_gain: float = 0.25) -> str:
    timeline = build(MARKS, [Spoken("What time is it?", 10.0, 11.0, 10.6)], [(12.15, 13.9)])
    quiet = np.zeros(5 * RATE_HZ, np.int16)
    user, speaker = quiet.copy(), quiet.copy()
    user[500:1500] = 8000
    speaker[2650:4400:2] = -9000
    return draw(timeline, MARKS, Sound(9.5, RATE_HZ, user, speaker, echo_gain))


def test_picture_is_one_well_formed_document() -> None:
    """It parses, names no other file, and escapes what people say."""
    text = picture()
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    assert "href" not in text
    assert "url(" not in text
    assert "&lt;It&gt; is &amp; was ten." in text


def test_picture_shows_lanes_moments_and_sentences() -> None:
    """All five lanes, each moment and both sentences are there."""
    words = [element.text for element in ET.fromstring(picture()).iter() if element.tag.endswith("text")]
    for expected in ("microphone", "uplink", "downlink", "loudspeaker", "state", "wake", "first delta"):
        assert expected in words
    assert "What time is it?" in words
    assert "audible after 1.15 s" in words
    assert "8 times real time" in words


def test_silence_is_drawn_as_well() -> None:
    """A conversation without a sound has a picture, too."""
    timeline = build([], [Spoken("Hello?", 1.0, 2.0)], [])
    quiet = np.zeros(3000, np.int16)
    ET.fromstring(draw(timeline, [], Sound(0.5, RATE_HZ, quiet, quiet)))
    assert legend(timeline) == ""


@given(st.lists(st.tuples(st.floats(0, 1000), st.text(min_size=1, max_size=20)), max_size=20))
def test_no_hairline_crosses_a_label(places: list[tuple[float, str]]) -> None:
    """A label stands above every later label whose hairline its text reaches over."""
    placed = place_labels([Label(x, text) for x, text in places], size=10)
    for index, (label, level) in enumerate(placed):
        for other, other_level in placed[index + 1 :]:
            assert other.x >= label.x + label.width(10) or other_level < level


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=60), max_size=6))
def test_captions_end_before_the_next_begins(texts: list[str]) -> None:
    """A caption of several words never reaches the next one, whatever is said."""
    notes = [Note(100.0 + 150 * index, " ".join(text.split())) for index, text in enumerate(texts)]
    for x, line, text in place_captions(notes, right=100 + 150 * len(notes), size=12):
        assert line in (0, 1)
        if " " in text:
            assert x + len(text) * 12 * 0.58 <= x + 150


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("one", ["one"]),
        ("one two three", ["one two", "three"]),
        ("one two three four five, six", ["one two", "three…"]),
        ("a b c d e. f", ["a b c d", "e. f"]),
    ],
)
def test_text_is_wrapped_and_cut(text: str, expected: list[str]) -> None:
    """Text goes into two lines; what is left becomes an ellipsis, without punctuation before it."""
    assert wrapped(text, 8, 2) == expected

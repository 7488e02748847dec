"""The tables tell what was counted, near words apart from the hours, and promise nothing that was not measured."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from speakerd.bench.accuracy_clips import NEAR_LABEL
from speakerd.bench.accuracy_count import CHUNK_S, SWEEP, Trial
from speakerd.bench.accuracy_table import (
    LISTED,
    Row,
    as_data,
    format_false,
    format_lists,
    format_misses,
    format_sweep,
    make_row,
    snr_name,
)

LEAD = 4


def trial(name: str, peak: float, label: str = "hey_jarvis", clip_s: float = 1.6) -> Trial:
    """One that scores ``peak`` once, a fifth of a second into its clip."""
    scores = np.full((LEAD + 40, 1), 0.001, np.float32)
    scores[LEAD + 2] = peak
    word = "hey_jarvis" if label == "hey_jarvis" else None
    lead_s = LEAD * CHUNK_S
    return Trial(name, label, word, None, "pink", clip_s, lead_s, ("hey_jarvis",), scores, 0.2 if word else None)


def row(*more: Trial, threshold: float = 0.5, hour_s: float = 3600.0) -> Row:
    said = [trial("hey_jarvis/a.wav", 0.9), trial("hey_jarvis/b.wav", 0.4), trial("hey_jarvis/c.wav", 0.95)]
    other = [trial("tv/news.wav", 0.6, "tv", hour_s), trial("talk/d.wav", 0.1, "talk", hour_s)]
    near = [trial("near/travis.wav", 0.8, NEAR_LABEL), trial("near/charles.wav", 0.3, NEAR_LABEL)]
    return make_row(None, [*said, *other, *near, *more], threshold, 2.0)


def test_near_words_are_counted_by_the_clip_and_not_by_the_hour() -> None:
    """How often somebody says "hey Travis" in an hour is in no recording of it."""
    one = row()
    assert (one.counted.negatives, one.counted.false) == (2, 1)
    assert one.counted.hours == pytest.approx(2.0)
    assert (one.near.negatives, one.near.taken) == (2, 1)
    assert (one.pooled.negatives, one.pooled.false) == (4, 2)
    assert set(one.by_label) == {"tv", "talk"}
    assert one.by_label["tv"].false == 1


def test_misses_have_their_range_and_their_latency() -> None:
    """From the end of the phrase, with a sign."""
    line = format_misses([row()]).splitlines()[1]
    assert line.split() == ["clean", "3", "1", "33.3", "%", "0.8", "to", "90.6", "%", "+40", "ms", "+40", "ms"]


def test_detections_without_a_latency_are_counted() -> None:
    """They are in neither figure, and nobody should wonder of how many the median is."""
    assert "without a latency" not in format_misses([row()])
    noisy = dataclasses.replace(trial("hey_jarvis/e.wav", 0.9), end_s=None)
    assert "without a latency: 1 detections" in format_misses([row(noisy)])


def test_what_was_said_twice_is_told() -> None:
    """Where it was, and only there."""
    assert "twice" not in format_misses([row()])
    twice = trial("hey_jarvis/e.wav", 0.9)
    twice.scores[-1] = 0.9
    assert "1 times a clip with a wake word was heard twice" in format_misses([row(twice)])


def test_false_accepts_are_told_by_label_and_in_all() -> None:
    """Near words in a table of their own."""
    lines = [line.split() for line in format_false([row()]).splitlines()]
    assert ["clean", "talk", "1", "1.00", "0", "0.0", "3.0"] in lines
    assert ["clean", "tv", "1", "1.00", "1", "1.0", "4.7"] in lines
    assert ["clean", "all", "2", "2.00", "1", "0.5", "2.4"] in lines
    assert ["clean", "2", "1", "50.0", "%", "1.3", "to", "98.7", "%"] in lines


def test_the_sweep_has_every_threshold_and_marks_the_configured_one() -> None:
    """Even one that is not in the list."""
    lines = format_sweep([row(threshold=0.42)], 0.42).splitlines()
    shown = [line.split()[0] for line in lines[1 : len(SWEEP) + 2]]
    assert shown == ["0.3", "0.35", "0.42", "0.5", "0.7", "0.9"]
    assert next(line for line in lines if line.startswith("0.42")).split()[1:] == [
        "<",
        "33.3",
        "%,",
        "50.0",
        "%,",
        "0.5",
    ]
    assert lines[1].split()[1:] == ["0.0", "%,", "100.0", "%,", "0.5"]


def test_a_bearable_threshold_is_told_when_hours_can_show_it() -> None:
    """Half a one an hour cannot be seen in twenty minutes."""
    told = format_sweep([row()], 0.5).splitlines()[-1]
    assert told == "clean: at most 0.5 false accepts an hour and the fewest misses, 0.0 %, at threshold 0.35"
    short = format_sweep([row(hour_s=600.0)], 0.5).splitlines()[-1]
    assert (
        short == "clean: which threshold gives at most 0.5 false accepts an hour takes 2 hours of other sounds to tell"
    )
    loud = [trial(f"tv/{number}.wav", 0.9999, "tv") for number in range(3)]
    assert "no threshold can be shown" in format_sweep([row(*loud)], 0.5).splitlines()[-1]


def test_what_went_wrong_is_listed_with_its_place_and_not_without_end() -> None:
    """The rest is in the file."""
    told = format_lists([row()])
    assert "missed: 1\n  clean   0.400 at   0.24 s, pink     hey_jarvis/b.wav\n" in told
    assert "false accepts: 2\n  clean   0.600 at   0.24 s, pink     tv/news.wav (hey_jarvis)" in told
    many = row(*(trial(f"hey_jarvis/{number}.wav", 0.2) for number in range(LISTED)))
    told = format_lists([many])
    assert f"missed: {LISTED + 1}, the first {LISTED} of them; the file has all" in told
    assert len(as_data([many])["clean"]["missed"]) == LISTED + 1


def test_the_data_has_everything_and_is_json() -> None:
    """Rates, ranges, places and the curve."""
    data = json.loads(json.dumps(as_data([row()])))["clean"]
    assert (data["positives"], data["misses"], data["miss_rate"]) == (3, 1, 0.33333)
    assert data["miss_rate_95"] == pytest.approx([0.0084, 0.9057], abs=1e-3)
    assert data["latency_ms"] == {"median": 40, "p90": 40, "count": 2}
    assert data["near"]["rate"] == 0.5
    assert data["labels"]["tv"]["false_per_h"] == 1.0
    assert data["missed"] == [
        {"file": "hey_jarvis/b.wav", "label": "hey_jarvis", "noise": "pink", "best_score": 0.4, "at_s": 0.24}
    ]
    false = {"file": "tv/news.wav", "label": "tv", "noise": "pink", "word": "hey_jarvis", "score": 0.6, "at_s": 0.24}
    assert data["false_accepts"][0] == false
    assert [each["threshold"] for each in data["thresholds"]] == list(SWEEP)
    assert data["best_within_0.5_an_hour"]["miss_rate"] == 0.0
    assert len(data["curve_with_near_words"]) > 40


def test_nothing_but_other_sounds_or_nothing_but_words() -> None:
    """Each table holds what there is, and no rate of nothing."""
    other = make_row(10.0, [trial("tv/a.wav", 0.1, "tv")], 0.5, 2.0)
    assert format_misses([other]).splitlines()[1].split() == ["10", "dB", "0", "-", "-"]
    assert as_data([other])["10 dB"]["miss_rate"] is None
    assert "near" not in format_false([other])
    said = make_row(None, [trial("hey_jarvis/a.wav", 0.9)], 0.5, 2.0)
    assert format_false([said]).splitlines()[1].split() == ["clean", "all", "0", "0.00", "0", "-"]
    assert format_sweep([said], 0.5).splitlines()[1].split() == ["0.3", "0.0", "%,", "-"]
    assert "threshold" in format_sweep([], 0.5)


@pytest.mark.parametrize(("snr_db", "name"), [(None, "clean"), (10.0, "10 dB"), (-2.5, "-2.5 dB"), (0.0, "0 dB")])
def test_ratios_have_names(snr_db: float | None, name: str) -> None:
    """Short ones."""
    assert snr_name(snr_db) == name

"""Where a wake word ends: a pause behind it is found, and nothing is cut where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.word_tail import (
    BREATH_LEAD_FRAMES,
    CONTEXT_FRAMES,
    SEARCH_FRAMES,
    Tail,
    pause_lasts,
    word_tail,
)

MS = 16


def scene(*parts: tuple[float, int]) -> np.ndarray:
    """Return noise of some loudness for some milliseconds each, as (dBFS, ms)."""
    noise = np.random.default_rng(7)
    return np.concatenate(
        [noise.normal(0, 32768 * 10 ** (dbfs / 20), ms * MS) for dbfs, ms in parts] or [np.zeros(0)]
    ).astype(np.int16)


def frames(tail: Tail | None) -> int:
    """Return how much of a word is cut where a pause was found."""
    assert tail is not None
    assert tail.quiet_below_dbfs is not None
    return tail.frames


ROOM, WORD = -60.0, -20.0

ONE_BREATH = Tail(-BREATH_LEAD_FRAMES, None)


@pytest.mark.parametrize("room_dbfs", [-90.0, -60.0, -40.0])
@pytest.mark.parametrize("tail_ms", [0, 100, 240, 380])
def test_a_pause_behind_the_word_is_found_where_it_begins(room_dbfs: float, tail_ms: int) -> None:
    """Wherever in the search the word ends, in a quiet room and in a loud one."""
    heard = scene((room_dbfs, 1500), (WORD, 500 + tail_ms), (room_dbfs, 600))
    assert frames(word_tail(heard, CONTEXT_FRAMES)) == tail_ms * MS


def test_a_sentence_in_one_breath_is_sent_from_before_the_search_on() -> None:
    """Speech that goes on is known as soon as a pause could no longer begin in time: 120 ms behind the detection."""
    heard = scene((ROOM, 1500), (WORD, 500), (WORD, 420))
    assert word_tail(heard, CONTEXT_FRAMES) == ONE_BREATH
    assert word_tail(heard[: -10 * MS], CONTEXT_FRAMES) is None


def test_a_stop_consonant_is_no_pause() -> None:
    """The silence inside a "t" is shorter."""
    heard = scene((ROOM, 1500), (WORD, 600), (ROOM, 190), (WORD, 600))
    assert word_tail(heard, CONTEXT_FRAMES) == ONE_BREATH


@pytest.mark.parametrize("quiet_ms", [0, 20, 190])
def test_a_pause_that_is_not_over_is_waited_for(quiet_ms: int) -> None:
    """As long as it may yet become one, nothing is decided."""
    heard = scene((ROOM, 1500), (WORD, 700), (ROOM, quiet_ms))
    assert word_tail(heard, CONTEXT_FRAMES) is None


def test_the_wait_ends_310_ms_behind_the_detection() -> None:
    """A pause that begins at the last moment is known 200 ms later."""
    search_ms = SEARCH_FRAMES // MS
    heard = scene((ROOM, 1500), (WORD, 500 + search_ms), (ROOM, 200))
    assert frames(word_tail(heard, CONTEXT_FRAMES)) == SEARCH_FRAMES
    assert word_tail(heard[: -10 * MS], CONTEXT_FRAMES) is None


def test_a_pause_at_once_cuts_nothing() -> None:
    """A button pressed in a quiet room: the uplink begins where it was asked to."""
    assert frames(word_tail(scene((ROOM, 3000)), CONTEXT_FRAMES)) == 0


@pytest.mark.parametrize("before_ms", [0, 7, 100, 900])
def test_little_before_the_word_is_enough(before_ms: int) -> None:
    """A word said right after the start is cut as well, to the 10 ms."""
    heard = scene((ROOM, before_ms), (WORD, 300), (ROOM, 600))
    assert frames(word_tail(heard, before_ms * MS)) == pytest.approx(300 * MS, abs=10 * MS)


def test_digital_silence_is_quiet() -> None:
    """A microphone that delivers nothing but zeros does no harm."""
    assert word_tail(np.zeros(CONTEXT_FRAMES + 16_000, np.int16), CONTEXT_FRAMES) is not None


def test_a_pause_of_400_ms_waits_for_us() -> None:
    """Until then nothing is said; then it is."""
    room = scene((ROOM, 400))
    assert pause_lasts(room[:-1], ROOM + 6) is None
    assert pause_lasts(room, ROOM + 6) is True


def test_a_comma_is_no_lasting_pause() -> None:
    """Who goes on after 200 ms does not wait for us, and no chime may lie over it."""
    assert pause_lasts(scene((ROOM, 200), (WORD, 60)), ROOM + 6) is False


def test_speech_after_a_lasting_pause_comes_too_late() -> None:
    """What is said later does not undo it."""
    assert pause_lasts(scene((ROOM, 400), (WORD, 200)), ROOM + 6) is True

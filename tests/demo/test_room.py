"""The room without a card in it."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from speakerd.demo.room import FAULTS, ROOM_RATE_HZ, Room, resample
from tests.fakes.simcards import level_and_frequency, tone


@pytest.fixture
def room(tmp_path):
    """A room of two seconds."""
    with Room.create(tmp_path / "room", length_s=2.0) as new:
        yield new


def start_of(room):
    """The room's first moment."""
    return room._epoch_ns / 1e9


def test_new_room_is_silent_and_takes_no_space(tmp_path):
    """An hour is a sparse file; all of it is silence."""
    path = tmp_path / "room"
    with Room.create(path, length_s=3600) as room:
        assert path.stat().st_blocks * 512 < 65_536
        assert path.stat().st_size > 2 * 2 * 3600 * ROOM_RATE_HZ
        assert not room.mixed(start_of(room), start_of(room) + 1).any()


def test_speech_is_mixed_in_where_it_was_said(room):
    """Two voices at once add up, clipped, and neither moves."""
    at_s = start_of(room) + 0.5
    loud = np.full(480, 20_000, np.int16)
    assert room.say(loud, ROOM_RATE_HZ, at_s) == pytest.approx((at_s, at_s + 0.01))
    room.say(loud[:240], ROOM_RATE_HZ, at_s)
    room.say(np.full(480, -100, np.int16), ROOM_RATE_HZ, at_s + 0.01)
    heard = room.mixed(at_s, at_s + 0.02)
    assert heard.tolist() == [32_767] * 240 + [20_000] * 240 + [-100] * 480


def test_speech_begins_a_lead_from_now(room):
    """Without a moment it begins a lead from now, so that the card misses nothing."""
    now_s = room.now_s()
    start_s, end_s = room.say(np.zeros(2400, np.int16), 24_000, lead_s=0.2)
    assert 0.2 <= start_s - now_s < 0.4
    assert end_s - start_s == pytest.approx(0.1)


def test_what_leaves_the_room_is_an_error(room):
    """Speech or a span that begins before the room or ends after it is refused and nothing of it is said."""
    start_s = start_of(room)
    with pytest.raises(ValueError, match="leaves the room"):
        room.say(np.ones(ROOM_RATE_HZ, np.int16), ROOM_RATE_HZ, start_s + 1.5)
    with pytest.raises(ValueError, match="leaves the room"):
        room.heard(start_s - 0.1, start_s)
    assert not room.mixed(start_s, start_s + 2.0).any()


def test_loudspeaker_and_voices_are_told_apart(room):
    """What was heard of the loudspeaker holds no voice; the mix holds both."""
    start_s = start_of(room)
    room._speaker[:100] = 300
    room.say(np.full(100, 40, np.int16), ROOM_RATE_HZ, start_s)
    assert set(room.heard(start_s, start_s + 0.001).tolist()) == {300}
    assert set(room.mixed(start_s, start_s + 0.001).tolist()) == {340}


def test_audible_spans_bridge_short_quiet_only(room):
    """Quiet shorter than the gap does not end a span; longer quiet and faint sound do."""
    start_s = start_of(room)
    assert room.audible_spans(start_s, start_s + 1.0) == []
    for first_ms, end_ms, sample in ((100, 200, 1000), (220, 300, -1000), (500, 600, 1000), (700, 800, 20)):
        room._speaker[first_ms * 48 : end_ms * 48] = sample
    spans = room.audible_spans(start_s, start_s + 1.0)
    assert [(a - start_s, b - start_s) for a, b in spans] == [pytest.approx((0.1, 0.3)), pytest.approx((0.5, 0.6))]


def test_faults_are_words_in_the_header(room):
    """Each direction has its own fault, at its number, and both clear together."""
    for number, name in enumerate(FAULTS):
        room.set_fault("capture", name)
        assert struct.unpack_from("<II", room._map, 48) == (number, 0)
    room.set_fault("playback", "stall")
    assert struct.unpack_from("<II", room._map, 48) == (5, 4)
    room.clear_faults()
    assert struct.unpack_from("<II", room._map, 48) == (0, 0)


@pytest.mark.parametrize(("direction", "name"), [("capture", "smoke"), ("playback", "zeros")])
def test_unknown_faults_are_refused(room, direction, name):
    """A fault the card does not know raises and says which there are."""
    with pytest.raises(ValueError, match="enodev"):
        room.set_fault(direction, name)


def test_fresh_card_has_counted_nothing(room):
    """All counters begin at zero."""
    assert (room.frames_captured, room.frames_played) == (0, 0)
    assert (room.xruns("capture"), room.opens("playback")) == (0, 0)


def test_room_can_be_entered_twice(tmp_path):
    """A second Room on the same file hears what the first said, at the same moments."""
    with Room.create(tmp_path / "room", length_s=1.0) as first, Room.open(tmp_path / "room") as second:
        start_s, end_s = first.say(np.full(480, 7, np.int16), ROOM_RATE_HZ)
        assert set(second.mixed(start_s, end_s).tolist()) == {7}


def test_file_that_is_no_room_is_refused(tmp_path):
    """Opening something else is a ValueError."""
    (tmp_path / "room").write_bytes(bytes(4096))
    with pytest.raises(ValueError, match="not a room"):
        Room.open(tmp_path / "room")


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 24_000, 44_100, 96_000])
def test_resampling_keeps_length_level_and_pitch(rate_hz):
    """A tone of any rate is as long, as loud, as high and in the same phase at the room's rate."""
    out = resample(tone(1000, rate_hz, 0.5), rate_hz, ROOM_RATE_HZ)
    assert len(out) == ROOM_RATE_HZ // 2
    level, frequency_hz = level_and_frequency(out, ROOM_RATE_HZ)
    assert level == pytest.approx(8000, rel=0.005)
    assert frequency_hz == pytest.approx(1000, abs=0.01)
    middle = slice(6000, 18_000)
    np.testing.assert_allclose(out[middle], tone(1000, ROOM_RATE_HZ, 0.5)[middle], atol=40)


def test_resampling_down_removes_what_would_alias():
    """A tone above half the new rate is gone, not folded."""
    out = resample(tone(11_000, 48_000, 0.3), 48_000, 16_000)
    assert np.abs(out[1000:-1000]).max() < 8


def test_resampling_nothing_gives_nothing():
    """No samples, or the same rate, pass through."""
    nothing = np.zeros(0, np.int16)
    same = np.arange(10, dtype=np.int16)
    assert resample(nothing, 24_000, 48_000) is nothing
    assert resample(same, 48_000, 48_000) is same

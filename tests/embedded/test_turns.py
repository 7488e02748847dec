"""Turn detection in audio time."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.embedded.session import TurnSettings
from speakerd.embedded.turns import LONGEST_BYTES, SilenceNoticed, SpeechBegan, SpeechEnded, TurnDetector, TurnEvent
from speakerd.embedded.vad import EnergyVad
from tests.fakes.embedded import silence, sound

STREAM = silence(1000) + sound(700) + silence(300) + sound(400) + silence(1200) + sound(100) + silence(900)


def decisions(chunks: list[bytes]) -> list[TurnEvent]:
    """Return what a fresh detector decides on a stream that comes in pieces."""
    turns = TurnDetector(EnergyVad())
    turns.configure(TurnSettings(silence_duration_ms=500))
    return [event for chunk in chunks for event in turns.feed(chunk)]


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, len(STREAM) // 2), max_size=40))
def test_a_burst_gives_the_same_turns_as_real_time(cuts: list[int]) -> None:
    """Where a stream is cut into appends changes neither positions nor audio."""
    edges = [0, *sorted(2 * cut for cut in cuts), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in itertools.pairwise(edges)]
    assert decisions(chunks) == decisions([STREAM])


def test_positions_are_frames_of_32_ms() -> None:
    """The onset and the decision lie on the detector's frames, and a pause shorter than the silence ends nothing."""
    began, ended, second, last = decisions([STREAM])
    assert isinstance(began, SpeechBegan)
    assert isinstance(ended, SpeechEnded)
    assert (began.audio_start_ms + 300) % 32 == 0
    assert ended.audio_end_ms % 32 == 0
    assert 2400 + 500 <= ended.audio_end_ms <= 2400 + 500 + 64
    assert abs(len(ended.pcm) / 48 - (ended.audio_end_ms - began.audio_start_ms)) < 1
    assert isinstance(second, SpeechBegan)
    assert isinstance(last, SpeechEnded)


def test_a_click_is_no_turn() -> None:
    """A single loud frame begins nothing."""
    assert decisions([silence(320) + sound(30) + silence(1000)]) == []


def test_prefix_never_reaches_before_the_audio() -> None:
    """Speech from the first sample starts at 0."""
    turns = TurnDetector(EnergyVad())
    (began,) = turns.feed(sound(200))
    assert began == SpeechBegan(audio_start_ms=0)  # type: ignore[arg-type]  # a test writes plain numbers
    assert turns.speaking


def test_nothing_happens_without_audio() -> None:
    """Time passes only with audio: no audio, no decision."""
    turns = TurnDetector(EnergyVad())
    turns.feed(sound(400))
    assert turns.feed(b"") == []
    assert turns.speaking


def test_commit_by_hand_ends_a_turn() -> None:
    """A commit takes everything, and the same speech goes on as a new turn with positions that count on."""
    turns = TurnDetector(EnergyVad())
    turns.feed(sound(640))
    assert len(turns.commit()) == 640 * 48
    assert not turns.speaking
    (began,) = turns.feed(sound(320))
    assert began == SpeechBegan(audio_start_ms=640)  # type: ignore[arg-type]  # a test writes plain numbers


def test_quiet_audio_is_not_hoarded() -> None:
    """A silent session keeps the last seconds only."""
    turns = TurnDetector(EnergyVad())
    for _ in range(30):
        turns.feed(silence(1000))
    assert turns.buffered_ms <= 10_100


def test_switched_on_later_it_does_not_look_back() -> None:
    """Detection that is switched on judges what comes then."""
    turns = TurnDetector(EnergyVad())
    turns.configure(None)
    assert turns.feed(sound(500)) == []
    turns.configure(TurnSettings())
    assert turns.feed(silence(500)) == []


def test_silence_is_noticed_after_what_is_played() -> None:
    """Waiting begins when the answer has been played; what is noticed is the silence since then, in frames."""
    turns = TurnDetector(EnergyVad())
    turns.configure(TurnSettings(idle_timeout_ms=12_000))
    turns.feed(silence(3200))
    turns.await_speech(1600)
    assert turns.feed(silence(1600 + 11_900)) == []
    (noticed,) = turns.feed(silence(200))
    assert isinstance(noticed, SilenceNoticed)
    assert (noticed.audio_start_ms, noticed.audio_end_ms) == (4800, 16_800)
    assert len(noticed.pcm) == 12_000 * 48
    assert turns.feed(silence(20_000)) == []


def test_endless_speech_is_cut() -> None:
    """A turn that does not end by itself ends after ten minutes, and the next one begins."""

    class Always:
        def probability(self, frame: object) -> float:
            return 1.0

        def reset(self) -> None: ...

    turns = TurnDetector(Always())
    events = [event for _ in range(61) for event in turns.feed(silence(10_000))]
    assert [type(event) for event in events] == [SpeechBegan, SpeechEnded, SpeechBegan]
    assert isinstance(events[1], SpeechEnded)
    assert len(events[1].pcm) == LONGEST_BYTES

"""The energy gate: shut in any room that stays as it is, open before anybody can have said a word."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.wake_idle import FLOOR_S, HANG_S, STEP_FRAMES, IdleGate

CHUNK = 1280
HANG_CHUNKS = round(HANG_S * 16_000 / CHUNK)
FLOOR_CHUNKS = round(FLOOR_S * 16_000 / CHUNK)
Int16 = npt.NDArray[np.int16]


def noise(chunks: int, rms: float, seed: int = 1) -> Int16:
    """Return chunks of white noise."""
    return np.clip(np.rint(np.random.default_rng(seed).normal(0, rms, (chunks, CHUNK))), -32768, 32767).astype(np.int16)


def run(gate: IdleGate, chunks: Int16) -> list[bool]:
    """Return for each chunk whether it is listened to."""
    return [gate.process(chunk) for chunk in chunks]


def burst(rms: float, within: Int16, step: int = 1) -> Int16:
    """Return a chunk of the room with one step of a louder noise in it."""
    chunk = within.copy()
    chunk[step * STEP_FRAMES : (step + 1) * STEP_FRAMES] = noise(1, rms, seed=9)[0, :STEP_FRAMES]
    return chunk


def settled(rms: float) -> IdleGate:
    """Return a gate that knows a room of this level and is shut."""
    gate = IdleGate(CHUNK)
    run(gate, noise(FLOOR_CHUNKS, rms))
    assert not gate.open
    return gate


def test_begins_open_and_shuts_in_a_room_that_stays_as_it_is() -> None:
    """A word in the first second is heard, however loud the room is."""
    opened = run(IdleGate(CHUNK), noise(500, 10.0))
    assert opened == [True] * HANG_CHUNKS + [False] * (500 - HANG_CHUNKS)


@pytest.mark.parametrize("rms", [1.0, 10.0, 300.0, 5000.0])
@pytest.mark.parametrize("step", range(CHUNK // STEP_FRAMES))
def test_the_chunk_that_holds_a_sound_finds_it_open(rms: float, step: int) -> None:
    """Wherever in the chunk it is, and it stays so for the hang behind it and no longer."""
    gate = settled(rms)
    room = noise(HANG_CHUNKS + 2, rms, seed=2)
    assert gate.process(burst(2.0 * rms, room[0], step))
    assert run(gate, room[1:]) == [True] * HANG_CHUNKS + [False]


def test_a_little_louder_is_still_the_room() -> None:
    """What does not stand out by 5 dB changes nothing."""
    gate = settled(100.0)
    assert not gate.process(burst(130.0, noise(1, 100.0, seed=2)[0]))


def test_a_louder_room_is_the_room_after_ten_seconds() -> None:
    """A fan that is switched on costs ten seconds of listening and the hang."""
    gate = settled(10.0)
    opened = run(gate, noise(400, 100.0, seed=2))
    assert sum(opened) == FLOOR_CHUNKS - 1 + HANG_CHUNKS
    assert opened[0]
    assert not opened[-1]


def test_a_room_that_falls_silent_is_known_at_once() -> None:
    """When the fan stops, the first quiet sound is heard."""
    gate = settled(1000.0)
    quiet = noise(2, 10.0, seed=2)
    gate.process(quiet[0])
    assert gate.process(burst(30.0, quiet[1]))


def test_digital_silence_is_a_room_in_which_everything_is_heard() -> None:
    """Nothing is quieter, and what comes back from it opens, by one bit."""
    gate = IdleGate(CHUNK)
    zeros = np.zeros((300, CHUNK), np.int16)
    assert run(gate, zeros)[HANG_CHUNKS:] == [False] * (300 - HANG_CHUNKS)
    bit = zeros[0].copy()
    bit[700] = 1
    assert gate.process(bit)


def test_a_voice_in_a_hiss_is_heard() -> None:
    """It is strong below 2 kHz, where a hiss is weak: of the whole spectrum's differences it is nothing."""
    gate, hiss = settled(200.0), noise(2, 200.0, seed=2)
    voice = np.rint(500.0 * np.sin(2 * np.pi * 500 / 16_000 * np.arange(CHUNK))).astype(np.int16)
    assert [gate.process(hiss[0]), gate.process(hiss[1] + voice)] == [False, True]


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_a_voice_in_a_hum_is_heard(mains_hz: int) -> None:
    """A bad earth hums 30 dB louder than somebody at the other end of the room speaks; the networks do not hear it."""
    at_s = np.arange((FLOOR_CHUNKS + 2) * CHUNK) / 16_000
    hum = noise(FLOOR_CHUNKS + 2, 5.0) + 3000 * np.sin(2 * np.pi * mains_hz * at_s).reshape(-1, CHUNK)
    gate, chunks = IdleGate(CHUNK), np.rint(hum).astype(np.int16)
    run(gate, chunks[:-1])
    assert not gate.open
    voice = np.rint(100.0 * np.sin(2 * np.pi * 500 / 16_000 * np.arange(CHUNK))).astype(np.int16)
    assert gate.process(chunks[-1] + voice)


def test_an_offset_hides_nothing() -> None:
    """A card's constant is no sound."""
    offset, room = IdleGate(CHUNK), noise(FLOOR_CHUNKS, 10.0)
    run(offset, room + np.int16(8000))
    assert not offset.open
    assert offset.process(burst(25.0, noise(1, 10.0, seed=2)[0]) + np.int16(8000))


def test_a_renewed_gate_knows_no_room() -> None:
    """A microphone that comes back into a quieter place is listened to from its first chunk, loud or not."""
    gate = settled(1000.0)
    gate.renew()
    assert gate.open
    assert all(run(gate, noise(HANG_CHUNKS, 100.0, seed=2)))


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 3.0, 20.0, 400.0, 9000.0]), st.integers(1, 40)), max_size=8),
    st.sampled_from([1.0, 10.0, 200.0, 3000.0]),
)
def test_whatever_came_before_a_sound_over_a_room_is_heard(before: list[tuple[float, int]], rms: float) -> None:
    """Any past, then ten seconds of a room, or even one chunk of it, then a sound 10 dB above: open."""
    gate = IdleGate(CHUNK)
    for level, chunks in before:
        run(gate, noise(chunks, level, seed=3))
    room = noise(2, rms, seed=4)
    gate.process(room[0])
    assert gate.process(burst(rms * 3.2, room[1]))


def definition(chunks: Int16) -> list[bool]:
    """Slow and plain: the loudest step over the least chunk, and the hang counted from the last one that was."""
    stands_out = np.zeros(len(chunks), bool)
    for fold, order, ratio_db in ((1, 1, 5), (4, 1, 5), (4, 2, 6)):
        sums = np.concatenate([[0.0] * order, chunks.reshape(-1, fold).sum(axis=1, dtype=float)])
        steps = (np.diff(sums, order).reshape(-1, CHUNK // STEP_FRAMES, STEP_FRAMES // fold) ** 2).mean(axis=2)
        floors = [steps[max(0, i - FLOOR_CHUNKS + 1) : i + 1].mean(axis=1).min() for i in range(len(chunks))]
        stands_out |= steps.max(axis=1) > 10 ** (ratio_db / 10) * (1 + 1e-6) * np.array(floors)
    last, expected = -1, []
    for i, out in enumerate(stands_out):
        last = i if out else last
        expected.append(i - last <= HANG_CHUNKS)
    return expected


@given(st.lists(st.sampled_from([0.0, 0.7, 10.0, 14.0, 60.0, 2000.0]), max_size=60))
def test_open_as_long_as_the_definition_says(levels: list[float]) -> None:
    """In any order of loud and quiet."""
    chunks = np.concatenate([noise(1, level, seed=i) for i, level in enumerate(levels)]) if levels else noise(0, 0.0)
    assert run(IdleGate(CHUNK), chunks) == definition(chunks)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_ten_seconds_old_is_forgotten(seed: int) -> None:
    """The least level among them, and the same one twice; half a minute of levels that wander."""
    random = np.random.default_rng(seed)
    levels = np.repeat(10.0 ** np.clip(np.cumsum(random.normal(0, 0.1, 100)) + 1.5, 0, 3.5), 4)
    chunks = np.concatenate([noise(1, level, seed=i // 2) for i, level in enumerate(levels)])
    expected = definition(chunks)
    assert run(IdleGate(CHUNK), chunks) == expected
    assert len(set(expected)) == 2

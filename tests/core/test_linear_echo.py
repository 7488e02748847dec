"""The wake word's canceller: the echo goes, another voice stays, and another room is learnt anew."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speakerd.core.linear_echo import BLOCK_FRAMES, LinearEcho
from speakerd.core.pcm import rms_dbfs

RATE_HZ = 16_000
CHUNK = 4 * BLOCK_FRAMES
Int16 = npt.NDArray[np.int16]


def noise(span_s: float, seed: int, level: float = 2000.0) -> Int16:
    """Return coloured noise: like speech, it is stronger below."""
    white = np.random.default_rng(seed).normal(0, 1, int(span_s * RATE_HZ) // CHUNK * CHUNK)
    dark = np.convolve(white, [0.5, 0.3, 0.2], "same")
    return (dark / dark.std() * level).astype(np.int16)


def echo_of(far: Int16, delay_frames: int, gain: float = 0.5) -> Int16:
    """Return what a room makes of it: a direct sound and a reflection."""
    heard = np.zeros(len(far))
    heard[delay_frames:] = far[: len(far) - delay_frames] * gain
    heard[delay_frames + 300 :] += far[: len(far) - delay_frames - 300] * gain / 3
    return heard.astype(np.int16)


def run(echo: LinearEcho, near: Int16, far: Int16) -> Int16:
    """Feed it chunk by chunk."""
    return np.concatenate([echo.process(near[i : i + CHUNK], far[i : i + CHUNK]) for i in range(0, len(near), CHUNK)])


def test_takes_out_more_than_15_db_within_a_second() -> None:
    """The echo of a reply is gone soon after it began."""
    far = noise(3, seed=1)
    near = echo_of(far, 500)
    out = run(LinearEcho(), near, far)
    assert len(out) == len(near)
    assert rms_dbfs(near[RATE_HZ:]) - rms_dbfs(out[RATE_HZ:]) > 15


def test_leaves_another_voice_as_it_is() -> None:
    """Somebody 10 dB below the echo comes out whole: like himself, and no quieter."""
    far, user = noise(6, seed=1), noise(6, seed=2, level=300.0)
    user[: 3 * RATE_HZ] = 0
    out = run(LinearEcho(), echo_of(far, 500) + user, far)[4 * RATE_HZ :].astype(float)
    said = user[4 * RATE_HZ :].astype(float)
    assert float(out @ said) / np.sqrt(float(out @ out) * float(said @ said)) > 0.9
    assert abs(20 * np.log10(out.std() / said.std())) < 1.5


def test_changes_nothing_where_there_is_no_echo() -> None:
    """With headphones a voice over a reply stays itself."""
    far, user = noise(3, seed=1), noise(3, seed=2)
    out = run(LinearEcho(), user, far).astype(float)
    assert float(out @ user.astype(float)) / np.sqrt(float(out @ out) * float(user.astype(float) @ user)) > 0.9


def test_what_comes_out_is_never_much_louder_and_a_moved_echo_is_learnt_anew() -> None:
    """Where the far end has moved, what was learnt does harm: it is forgotten, and a second later the echo is gone."""
    far = noise(8, seed=3)
    near = np.concatenate((echo_of(far, 500)[: 4 * RATE_HZ], -echo_of(far, 1700)[4 * RATE_HZ :]))
    out = run(LinearEcho(), near, far)
    for block in range(0, len(near), CHUNK):
        assert rms_dbfs(out[block : block + CHUNK]) < rms_dbfs(near[block : block + CHUNK]) + 1.5
    assert rms_dbfs(near[-2 * RATE_HZ :]) - rms_dbfs(out[-2 * RATE_HZ :]) > 20


def test_silence_stays_silence() -> None:
    """Nothing in makes nothing out."""
    zeros = np.zeros(CHUNK, np.int16)
    assert not LinearEcho().process(zeros, zeros).any()


def test_where_no_echo_can_reach_any_more_nothing_is_done() -> None:
    """A quarter of a second behind a reply the microphone passes untouched, and the room is still known."""
    echo, far = LinearEcho(), noise(3, seed=1)
    near = echo_of(far, 500)
    run(echo, near, far)
    zeros, user = np.zeros(CHUNK, np.int16), noise(1, seed=2)[:CHUNK]
    passed = [echo.process(user, zeros) is user for _ in range(8)]
    assert passed == sorted(passed)
    assert 0 < sum(passed) < 8
    out = run(echo, near, far)[RATE_HZ // 4 : RATE_HZ]
    assert rms_dbfs(near[RATE_HZ // 4 : RATE_HZ]) - rms_dbfs(out) > 20


def test_blocks_may_be_longer() -> None:
    """And as many as reach back as far take out as much."""
    far = noise(4, seed=1)[: 4 * RATE_HZ // 512 * 512]
    near = echo_of(far, 500)
    out = LinearEcho(512, 8).process(near, far)
    assert len(out) == len(near)
    assert rms_dbfs(near[RATE_HZ:]) - rms_dbfs(out[RATE_HZ:]) > 15


def test_foresees_what_will_be_left_of_a_block_that_has_only_begun() -> None:
    """As little as of a whole one, and nothing is learnt by looking."""
    echo, far = LinearEcho(), noise(4, seed=1)
    near, known = echo_of(far, 500), 3 * RATE_HZ // CHUNK * CHUNK
    run(echo, near[:known], far[:known])
    begun = slice(known, known + BLOCK_FRAMES // 2)
    foreseen = echo.foresee(near[begun], far[begun])
    assert len(foreseen) == BLOCK_FRAMES // 2
    assert rms_dbfs(near[begun]) - rms_dbfs(foreseen) > 15
    left = echo.process(near[known : known + CHUNK], far[known : known + CHUNK])[: BLOCK_FRAMES // 2]
    assert np.abs(foreseen.astype(int) - left).max() < 60
    assert echo.foresee(near[:0], far[:0]).tolist() == []

"""What a canceller lets through: our own voice is made quiet, a person is not, and nobody is kept waiting for long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from speakerd.core.pcm import rms_dbfs
from speakerd.core.residue import Residue
from speakerd.core.units import WIRE_RATE_HZ

Int16 = npt.NDArray[np.int16]

BLOCK = 480
LAG_FRAMES = 720
"""How much later the microphone hears the loudspeaker."""

HELD_FRAMES = 224
"""How much the first canceller holds back."""


def voice(span_s: float, seed: int, level: float = 3000.0) -> Int16:
    """Return noise in the band of speech whose loudness moves like speech."""
    frames = int(span_s * WIRE_RATE_HZ) // BLOCK * BLOCK
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(frames))
    pitch_hz = np.fft.rfftfreq(frames, 1 / WIRE_RATE_HZ)
    spectrum[(pitch_hz < 150) | (pitch_hz > 4000)] = 0
    sound = np.fft.irfft(spectrum, frames)
    loudness = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(frames) / WIRE_RATE_HZ)
    return (sound / sound.std() * level * loudness).astype(np.int16)


def echo_of(far: Int16, lag_frames: int = LAG_FRAMES) -> Int16:
    """Return what the microphone hears of it."""
    return np.concatenate((np.zeros(lag_frames), far[:-lag_frames] * 0.5)).astype(np.int16)


def at(begin_s: float, sound: Int16, span_s: float) -> Int16:
    """Return a sound that begins at a time, and silence around it."""
    whole = np.zeros(int(span_s * WIRE_RATE_HZ) // BLOCK * BLOCK, np.int16)
    begin = int(begin_s * WIRE_RATE_HZ)
    whole[begin : begin + len(sound)] = sound[: len(whole) - begin]
    return whole


@dataclass
class Scene:
    """A loudspeaker, and a first canceller that works but for what is said here."""

    far: Int16
    leak: Int16
    person: Int16

    def play(self, residue: Residue, begin_s: float = 0.0, block: int = BLOCK, *, wanted: bool = True) -> Int16:
        """Return what comes out from a time on, piece by piece as the first canceller gives it."""
        near = np.clip(echo_of(self.far).astype(int) + self.person, -32768, 32767).astype(np.int16)
        clean = self.leak + self.person
        first = int(begin_s * WIRE_RATE_HZ)
        given = [np.zeros(0, np.int16)]
        done = max(0, first - HELD_FRAMES)
        for begin in range(first, len(near), block):
            end = min(begin + block, len(near))
            out = clean[done : max(done, end - HELD_FRAMES)]
            done += len(out)
            given.append(residue.process(near[begin:end], self.far[begin:end], out, end - done, wanted=wanted))
            assert len(given[-1]) == len(out)
        return np.concatenate((clean[: max(0, first - HELD_FRAMES)], *given))


def scene(span_s: float = 6.0, leak: Int16 | None = None, person: Int16 | None = None) -> Scene:
    """Return a scene in which a reply fills the whole time."""
    nothing = np.zeros(int(span_s * WIRE_RATE_HZ) // BLOCK * BLOCK, np.int16)
    far = voice(span_s, seed=1)
    return Scene(far, nothing if leak is None else leak, nothing if person is None else person)


def heard(sound: Int16, begin_s: float, end_s: float) -> float:
    """Return how loud a stretch is."""
    return rms_dbfs(sound[int(begin_s * WIRE_RATE_HZ) : int(end_s * WIRE_RATE_HZ)])


@pytest.mark.parametrize("block", [BLOCK, 7 * BLOCK, 484])
def test_what_only_the_first_canceller_lets_through_is_made_quiet(block: int) -> None:
    """A burst of the echo, for 80 ms in the middle of a reply."""
    far = voice(6.0, seed=1)
    burst = echo_of(far)[4 * WIRE_RATE_HZ :][: 4 * BLOCK] // 4
    played = scene(leak=at(4.0, burst, 6.0))
    out = played.play(Residue(), block=block)
    assert heard(played.leak, 4.0, 4.08) > -45
    assert heard(out, 4.0, 4.08) < -55


@pytest.mark.parametrize("level", [400.0, 1500.0, 6000.0])
def test_a_person_over_a_reply_is_left_as_they_are(level: float) -> None:
    """From 12 dB below the echo to 12 above it: no sample of nearly all of it is changed, from the first on."""
    played = scene(person=at(3.5, voice(1.5, seed=2, level=level), 6.0))
    out = played.play(Residue())
    said = played.person[: len(out)]
    assert np.mean(out == said) > 0.98
    assert heard((out - said).astype(np.int16), 3.5, 5.0) < heard(said, 3.5, 5.0) - 15


def test_a_faint_residue_is_left_alone() -> None:
    """Nobody takes it for speech; with the reply's beginning over, it passes as it came."""
    played = scene(leak=voice(6.0, seed=3, level=20.0))
    out = played.play(Residue())
    assert out[4 * WIRE_RATE_HZ :].tolist() == played.leak[4 * WIRE_RATE_HZ : len(out)].tolist()


def test_in_a_new_room_a_reply_is_silence_until_it_is_known() -> None:
    """A fresh canceller lets the reply through: nothing of it is sent till the other one knows the room."""
    played = scene(leak=echo_of(voice(6.0, seed=1)) // 4)
    out = played.play(Residue())
    assert heard(played.leak, 0.35, 6.0) > -43
    assert heard(out, 0.35, 6.0) < -52


def test_a_person_in_a_new_room_is_heard_in_the_end() -> None:
    """Who talks all the while keeps the room from being known; after two seconds they are heard anyway."""
    played = scene(person=voice(6.0, seed=2, level=9000.0))
    out = played.play(Residue())
    assert heard(out, 0.4, 1.9) == -120
    assert heard(out, 2.1, 6.0) == pytest.approx(heard(played.person, 2.1, 6.0), abs=1)


def test_who_speaks_over_a_chime_is_heard() -> None:
    """It is no reply, in however new a room; nor are two of them with a rest between."""
    played = scene(person=at(0.1, voice(1.9, seed=2), 2.0), span_s=2.0)
    played.far = at(0.1, voice(0.24, seed=5), 2.0)
    residue = Residue()
    for _ in range(2):
        out = played.play(residue)
        assert np.mean(out == played.person[: len(out)]) > 0.9
        residue.rest()


def test_after_a_new_count_a_reply_is_silence_until_the_room_is_known_again() -> None:
    """In the middle of a reply at once; what is left of one that was cut off withholds nothing of who cut it."""
    known = scene().play
    residue = Residue()
    known(residue)
    residue.restart()
    far = voice(6.0, seed=9)
    moved = Scene(far, echo_of(far) // 4, np.zeros(len(far), np.int16))
    out = moved.play(residue)
    assert heard(out, 0.12, 0.3) < -60

    residue = Residue()
    known(residue)
    residue.restart()
    person = voice(2.0, seed=2)
    cut = Scene(at(0.0, voice(0.06, seed=9), 2.0), np.zeros(len(person), np.int16), person)
    out = cut.play(residue)
    assert np.mean(out == person[: len(out)]) > 0.9


def test_what_follows_a_rest_is_not_compared_with_what_came_before() -> None:
    """It may begin in the middle of anything: the frames that it cannot compare pass."""
    residue = Residue()
    scene().play(residue)
    residue.rest()
    played = scene(person=voice(6.0, seed=2))
    out = played.play(residue, begin_s=2.0)
    assert np.mean(out == played.person[: len(out)]) > 0.95


def test_a_room_is_learnt_while_nobody_wants_to_hear() -> None:
    """What comes out is what went in; who is heard from the middle of a reply on need not wait."""
    residue, burst = Residue(), at(4.0, echo_of(voice(6.0, seed=1))[4 * WIRE_RATE_HZ :][: 4 * BLOCK] // 4, 6.0)
    unwanted = scene(leak=burst).play(residue, wanted=False)
    assert unwanted.tolist() == burst[: len(unwanted)].tolist()
    residue.rest()
    person = voice(1.0, seed=2)
    heard_at_once = scene(span_s=1.0, person=person).play(residue)
    assert np.mean(heard_at_once == person[: len(heard_at_once)]) > 0.95

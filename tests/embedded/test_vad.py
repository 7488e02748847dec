"""The two detectors."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.turns import FRAME_FRAMES, Vad
from speakerd.embedded.vad import EnergyVad
from tests.fakes.embedded import silence, sound


def probabilities(vad: Vad, pcm: bytes) -> list[float]:
    samples = np.frombuffer(pcm, dtype="<i2")
    last = len(samples) - FRAME_FRAMES + 1
    return [vad.probability(samples[at : at + FRAME_FRAMES]) for at in range(0, last, FRAME_FRAMES)]


def test_loud_is_speech_and_silence_is_not() -> None:
    """Sound well above the floor is speech, whatever the floor was."""
    vad = EnergyVad()
    assert max(probabilities(vad, silence(640))) < 0.1
    assert min(probabilities(vad, sound(640))) > 0.9
    assert max(probabilities(vad, silence(640))) < 0.1


def test_floor_follows_a_noisy_room() -> None:
    """A steady noise stops being speech after some seconds, and speech above it still is."""
    vad = EnergyVad()
    assert max(probabilities(vad, sound(30_000, amplitude=200))[-30:]) < 0.3
    assert min(probabilities(vad, sound(320, amplitude=4000))) > 0.9


def test_reset_forgets_the_room() -> None:
    """After a reset the first frame is judged as at the start."""
    vad = EnergyVad()
    first = probabilities(vad, sound(640, amplitude=100))
    vad.reset()
    assert probabilities(vad, sound(640, amplitude=100)) == first


def test_silero_sessions_share_no_state() -> None:
    """What one session hears changes nothing for another, and noise is no speech to it."""
    from speakerd.embedded.tiers import neural

    try:
        tier = neural()
    except SpeakerdError as error:
        pytest.skip(str(error))
    speech = tier.voice.speak("Somebody speaks here.", 1.0)
    one, other = tier.new_vad(), tier.new_vad()
    alone = probabilities(tier.new_vad(), speech)
    probabilities(other, sound(640))
    assert probabilities(one, speech) == alone
    assert max(alone) > 0.9
    assert max(probabilities(tier.new_vad(), sound(640, amplitude=500))) < 0.5

"""Measure what noise suppression before the wake word does: detections, false accepts, time awake, CPU.

    .venv/bin/python .ci/noise_figures.py [--word hey_jarvis] [--minutes N]

Synthesised people say the wake word, and other things, into noises made on the spot, one long stream for each kind and
level of noise. Each stream is heard four times: without and with suppression, and by a gate that hears what came in or
what was left of the noise. Needs espeak-ng, flite and libspeexdsp1.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from speakerd.core.units import WAKE_RATE_HZ  # noqa: E402 - found through the line above
from speakerd.core.wake_gate import WakeTrigger  # noqa: E402
from speakerd.core.wake_idle import IdleGate  # noqa: E402
from speakerd.demo.room import resample  # noqa: E402
from speakerd.wake import models  # noqa: E402
from speakerd.wake.lean import Lean  # noqa: E402
from speakerd.wake.noise import NoiseSuppressor  # noqa: E402
from speakerd.wake.shapes import CHUNK_FRAMES  # noqa: E402

Sound = npt.NDArray[np.float64]
Chunks = npt.NDArray[np.int16]

SPEECH_RMS = 1500.0
"""How loud everybody is: -27 dBFS (chosen)."""

QUIET_RMS = 10.0
"""The noise of a good microphone in a quiet room, which is in every stream (measured, the reference's quiet room)."""

PAUSE_S, LATE_S = 4.0, 1.0
"""Between two words, and how long behind a word a detection counts as its own (chosen)."""

ESPEAK = ("en-us", "en-gb", "en-gb-scotland", "en-us+f2", "en-us+m3", "en-gb+f4", "en-us+klatt", "en-gb-x-rp")
FLITE = ("slt", "rms", "kal16", "awb")

OTHERS = (
    "What time is it in the kitchen?",
    "The harvest was good this year, they said.",
    "Hey Marvin, did you see my keys?",
    "Alexander went to the election with his sister.",
    "Put the kettle on and sit down for a while.",
    "He charges too much for such a small garden.",
    "Once upon a time there was a small lighthouse at the end of a long stone pier.",
    "Hey, Jenny, is this your coat?",
    "Jarring noises came from the street all night.",
    "We are having pasta with tomatoes, garlic and basil.",
    "The train to the coast leaves at seven in the morning.",
    "They say it will rain for the rest of the week.",
)


@dataclass
class Heard:
    """What was heard in one stream."""

    found: int = 0
    """Words that were detected."""

    false: int = 0
    """Detections of nothing."""

    open_share: float = 0.0
    """How much of the stream the gate was open."""


def spoken(command: Sequence[str]) -> Sound:
    """Return what a program says into a file, at the wake rate and the level of everybody."""
    with tempfile.TemporaryDirectory() as scratch:
        wav = Path(scratch) / "said.wav"
        subprocess.run([part.replace("{wav}", str(wav)) for part in command], check=True, capture_output=True)  # noqa: S603 - our own commands
        with wave.open(str(wav), "rb") as stream:
            rate_hz, frames = stream.getframerate(), stream.readframes(stream.getnframes())
    pcm = resample(np.frombuffer(frames, "<i2"), rate_hz, WAKE_RATE_HZ).astype(float)
    return pcm * SPEECH_RMS / np.sqrt(np.mean(pcm**2))


def says(text: str, speeds: Sequence[int], pitches: Sequence[int]) -> Iterator[Sound]:
    """Say a text in every voice."""
    for voice, speed, pitch in itertools.product(ESPEAK, speeds, pitches):
        yield spoken(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", "{wav}", text])
    for voice, speed in itertools.product(FLITE, speeds):
        stretch = f"duration_stretch={150 / speed:.2f}"
        yield spoken(["flite", "-voice", voice, "--setf", stretch, "-t", text, "-o", "{wav}"])


def pink(frames: int) -> Sound:
    """Return noise that falls by 3 dB an octave, as loud as everybody."""
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(0, 1, frames))
    sound = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), frames)
    return sound * SPEECH_RMS / sound.std()


def kitchen(frames: int) -> Sound:
    """Return a hum, water, and crockery that clatters twice a second, as loud as everybody together."""
    rng, at_s = np.random.default_rng(2), np.arange(frames) / WAKE_RATE_HZ
    hum = sum(np.sin(2 * np.pi * 50 * k * at_s + k) / k for k in (1, 2, 3, 5))
    sound = 0.3 * hum + pink(frames) / SPEECH_RMS
    ring_s = np.arange(WAKE_RATE_HZ // 4) / WAKE_RATE_HZ
    for at in rng.integers(0, frames - len(ring_s), 2 * frames // WAKE_RATE_HZ):
        pitch_hz, decay_s = rng.uniform(1500, 6000), rng.uniform(0.01, 0.06)
        partials = sum(np.sin(2 * np.pi * pitch_hz * factor * ring_s) for factor in (1.0, 1.47, 0.61))
        sound[at : at + len(ring_s)] += rng.uniform(0.5, 3.0) * np.exp(-ring_s / decay_s) * partials
    return sound * SPEECH_RMS / sound.std()


def stream(said: Sequence[Sound], noise: Callable[[int], Sound] | None, snr_db: float) -> tuple[Chunks, list[int]]:
    """Return a room in which everything is said, in chunks, and where each saying ends, in frames."""
    pause = int(PAUSE_S * WAKE_RATE_HZ)
    sound = np.concatenate([part for words in said for part in (np.zeros(pause), words)] + [np.zeros(pause)])
    ends = list(itertools.accumulate(pause + len(words) for words in said))
    sound += np.random.default_rng(3).normal(0, QUIET_RMS, len(sound))
    if noise is not None:
        sound += noise(len(sound)) * 10 ** (-snr_db / 20)
    frames = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    return frames[: len(frames) // CHUNK_FRAMES * CHUNK_FRAMES].reshape(-1, CHUNK_FRAMES), ends


def listen(engine: Lean, word: str, heard: Chunks, gate: Chunks | None, ends: Sequence[int] | None) -> Heard:
    """Listen to a stream: all the time, or only while a gate that hears a stream is open."""
    detector, trigger, idle, told = engine.twin(), WakeTrigger(0.5, 2.0), IdleGate(CHUNK_FRAMES), Heard()
    waiting, is_open = list(ends or ()), 0
    for at, chunk in enumerate(heard):
        score = detector.score(chunk)[word]
        awake = gate is None or idle.process(gate[at])
        is_open += awake
        if trigger.process({word: score if awake else 0.0}, CHUNK_FRAMES / WAKE_RATE_HZ, playing=False) is None:
            continue
        now = (at + 1) * CHUNK_FRAMES
        waiting = [end for end in waiting if end + LATE_S * WAKE_RATE_HZ >= now]
        if waiting and waiting[0] - 2 * WAKE_RATE_HZ < now:
            waiting.pop(0)
            told.found += 1
        else:
            told.false += 1
    told.open_share = is_open / len(heard)
    return told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--word", default="hey_jarvis", choices=sorted(models.WORDS))
    parser.add_argument("--minutes", type=float, default=20.0, help="other speech in each noise, at most")
    arguments = parser.parse_args()
    word: str = arguments.word
    engine = Lean({word: models.resolve(word)}, models.features())
    words = list(says(word.replace("_", " "), (130, 150, 180), (35, 50)))
    others = [sound for text in OTHERS for sound in says(text, (150, 180), (50,))]
    others = others[:: max(1, round(sum(PAUSE_S + len(one) / WAKE_RATE_HZ for one in others) / 60 / arguments.minutes))]
    rooms: list[tuple[str, Callable[[int], Sound] | None, float]] = [("clean", None, 0.0)]
    rooms += [("pink, 10 dB", pink, 10.0), ("pink, 0 dB", pink, 0.0)]
    rooms += [("kitchen, 10 dB", kitchen, 10.0), ("kitchen, 0 dB", kitchen, 0.0)]
    print(f"{len(words)} times {word} by {len(ESPEAK) + len(FLITE)} voices; {len(others)} other sayings in each room")
    print(
        "words detected (share of the time the gate was open) [false accepts]: ungated, gate on what came in, on what"
    )
    print(f"was left{'':10} {'without suppression':>42} {'with suppression':>56}")
    for name, noise, snr_db in rooms:
        for said, is_word in ((words, True), (others, False)):
            raw, ends = stream(said, noise, snr_db)
            suppressor = NoiseSuppressor()
            clean = np.array([suppressor.process(chunk) for chunk in raw])
            cells = []
            for heard, gate in ((raw, None), (raw, raw), (clean, None), (clean, raw), (clean, clean)):
                found = listen(engine, word, heard, gate, ends if is_word else None)
                cells.append(f"{found.found:3} ({100 * found.open_share:3.0f} %) [{found.false}]")
            minutes = raw.size / WAKE_RATE_HZ / 60
            what = f"{len(words)} words" if is_word else f"no word, {minutes:.0f} min"
            print(f"{name:15} {what:16}", *(f"{cell:>18}" for cell in cells))
    for name, level in (("quiet", QUIET_RMS), ("loud", SPEECH_RMS)):
        noise_only = (pink(60 * WAKE_RATE_HZ) * level / SPEECH_RMS).astype(np.int16).reshape(-1, CHUNK_FRAMES)
        suppressor, begun_s = NoiseSuppressor(), time.thread_time()
        for chunk in noise_only:
            suppressor.process(chunk)
        print(f"CPU, {name} pink noise: {1000 * (time.thread_time() - begun_s) / 60:.2f} ms per second of audio")


if __name__ == "__main__":
    main()

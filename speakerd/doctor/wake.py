"""The wake word: its models by digest, the engine by what it answers, and a spoken test where somebody can speak."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.core.errors import SpeakerdError
from speakerd.core.pcm import SILENCE_DBFS, Resampler, rms_dbfs
from speakerd.core.settings import Wake
from speakerd.core.units import WAKE_RATE_HZ
from speakerd.demo.mouth import SPEECH_RATE_HZ, find_mouth
from speakerd.demo.process import StageError
from speakerd.doctor.advice import advice_for
from speakerd.doctor.report import Line, failed, passed, warned
from speakerd.wake import engine, models, noise, probe
from speakerd.wake.detector import Detector

LEAD_S, REST_S = 2.5, 1.0
"""Silence before and after the word: an engine hears two seconds at once (specified by openWakeWord)."""

SAY_S = 6.0
"""How long the owner has to say the word (guess: read the line, breathe, speak)."""

SYLLABLE_FRAMES = WAKE_RATE_HZ // 5
"""Over so much the loudness of what was said is taken (chosen: a syllable)."""

FAINT_SPEECH_DBFS = -50.0
"""A word whose loudest syllable is fainter is too faint for the engine (guess)."""

SHIPPED = frozenset(models.WORDS)
"""Words whose spelling says how they are spoken."""


def look_at_models(names: Sequence[str]) -> list[Line]:
    """Check every model that the configuration names, byte by byte.

    Args:
        names: ``wake.models``.
    """
    try:
        paths = [models.resolve(name) for name in names]
        models.features()
    except SpeakerdError as error:
        return [failed("models", f"{error.code}: {error}", advice_for(error), code=error.code)]
    own = [path.name for name, path in zip(names, paths, strict=True) if name not in SHIPPED]
    detail = f"{', '.join(path.stem for path in paths)} and 2 feature models in {models.model_dir()}"
    if own:
        return [passed("models", f"{detail}; nobody has published a digest of {', '.join(own)}", own=own)]
    return [passed("models", f"{detail}, as published (SHA-256)")]


def look_at_engine(
    wake: Wake, trouble: Callable[[Path, Path | None], str | None] = probe.trouble
) -> tuple[list[Line], Detector | None]:
    """Make the engine, which asks it first what it must answer; return the line and the engine.

    Args:
        wake: The configuration.
        trouble: Finds out whether onnxruntime can be loaded here, where it is needed.
    """
    begun_s = time.monotonic()
    try:
        paths = models.resolve_all(wake.models)
        detector = engine.make(paths, models.features(), wake.engine, trouble=trouble)
        if wake.noise_suppression:
            noise.require_library()
    except SpeakerdError as error:
        return [failed("engine", f"{error.code}: {error}", advice_for(error), code=error.code)], None
    took_ms = round(1000 * (time.monotonic() - begun_s))
    figures: dict[str, Any] = {"engine": detector.name, "took_ms": took_ms}
    if detector.name != "lean" and wake.engine == "auto":
        detail = (
            f"{detector.name}, made in {took_ms} ms: the lean one does not compute these models, or not rightly here"
        )
        return [
            warned("engine", detail, "it works, and costs more; the journal's first lines say why", **figures)
        ], detector
    if detector.name == "lean" and wake.engine == "openwakeword":
        detail = f"lean, made in {took_ms} ms: onnxruntime cannot be used on this machine"
        return [warned("engine", detail, "set wake.engine: auto, or install another onnxruntime", **figures)], detector
    known = "; its known answers are right" if detector.name == "lean" else ""
    return [passed("engine", f"{detector.name}, made in {took_ms} ms{known}", **figures)], detector


def look_at_spoken(detector: Detector, wake: Wake, *, neural: bool | None = None) -> list[Line]:
    """Let a voice of this machine say each shipped word, and score it; nobody is asked to say it.

    Args:
        detector: The engine, new.
        wake: The configuration.
        neural: As ``find_mouth``.
    """
    words = [name for name in wake.models if name in SHIPPED]
    if not words:
        return [
            warned(
                "spoken",
                "not tried: how a model of your own is spoken is not known",
                "say it yourself: speakerd doctor --say",
            )
        ]
    try:
        mouth = find_mouth(neural=neural)
        scores = {word: best_score(detector.twin(), word, mouth.speak(word.replace("_", " "))) for word in words}
    except StageError as nobody:
        known = "the engine's known answers stand for it" if detector.name == "lean" else "nothing stands for it"
        advice = "say the wake word yourself: speakerd doctor --say; apt install espeak-ng gives a voice"
        return [warned("spoken", f"not tried: no voice is installed; {known}", advice, code=nobody.code)]
    return [_spoken(scores, mouth.name, wake.threshold_score)]


def best_score(detector: Detector, word: str, speech: npt.NDArray[np.int16]) -> float:
    """Return the highest score of a word while somebody says something.

    Args:
        detector: A stream of its own.
        word: Whose score.
        speech: At ``SPEECH_RATE_HZ``.
    """
    spoken = Resampler(SPEECH_RATE_HZ, WAKE_RATE_HZ).process(speech)
    lead, rest = (np.zeros(int(span_s * WAKE_RATE_HZ), np.int16) for span_s in (LEAD_S, REST_S))
    return _best(detector, word, np.concatenate((lead, spoken, rest)))


def _best(detector: Detector, word: str, audio: npt.NDArray[np.int16]) -> float:
    size = detector.chunk_frames
    return max(detector.score(audio[begin : begin + size])[word] for begin in range(0, len(audio) - size + 1, size))


def look_at_said(detector: Detector, wake: Wake, heard: npt.NDArray[np.int16]) -> list[Line]:
    """Score what the owner has said into the microphone.

    Args:
        detector: The engine, new.
        wake: The configuration.
        heard: What the microphone heard, at the wake word's rate.
    """
    words = [Path(name).stem for name in wake.models]
    scores = {word: _best(detector.twin(), word, heard) for word in words}
    threshold, best = wake.threshold_score, max(scores.values())
    told = ", ".join(f'"{word.replace("_", " ")}" {score:.2f}' for word, score in scores.items())
    levels = [rms_dbfs(heard[at : at + SYLLABLE_FRAMES]) for at in range(0, len(heard), SYLLABLE_FRAMES)]
    loudest = round(max(levels, default=SILENCE_DBFS), 1)
    detail = f"said by you: {told}; it takes {threshold:g}; the loudest syllable had {loudest} dBFS"
    figures = {"scores": {word: round(score, 3) for word, score in scores.items()}, "loudest_dbfs": loudest}
    if best < threshold:
        advice = (
            "turn the microphone up (alsamixer, F4), or come nearer"
            if loudest < FAINT_SPEECH_DBFS
            else "say it again, as one word, and not too fast; or set wake.threshold: sensitive"
        )
        return [failed("said", detail, advice, **figures)]
    return [passed("said", detail, **figures)]


def _spoken(scores: Mapping[str, float], voice: str, threshold: float) -> Line:
    told = ", ".join(f'"{word.replace("_", " ")}" {score:.2f}' for word, score in scores.items())
    figures = {
        "scores": {word: round(score, 3) for word, score in scores.items()},
        "voice": voice,
        "threshold": threshold,
    }
    detail = f"said by {voice}, without any room: {told}; it takes {threshold:g}"
    if min(scores.values()) < threshold:
        advice = "is wake.threshold too strict? sensitive is 0.35; synthetic voices score lower than people, too"
        return warned("spoken", detail, advice, **figures)
    return passed("spoken", detail, **figures)

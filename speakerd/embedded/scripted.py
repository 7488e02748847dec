"""The scripted tier's ears, brain and voice: numpy only, nothing understood, everything reproducible."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np

from speakerd.core.pcm import rms_dbfs
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.embedded.calls import chosen, is_waiting, waiting
from speakerd.embedded.parts import Call, Heard, Prompt, in_breaths
from speakerd.embedded.turns import FRAME_FRAMES, FRAME_MS

_SPEECH_DBFS = -45.0
"""A frame at least as loud counts as voiced (guessed; tests speak at -20)."""

_CHARACTER_MS = 60
"""How long the voice needs for a character: people speak some 16 a second (guessed)."""

_NOTES_HZ = (262.0, 294.0, 330.0, 392.0, 440.0)
"""A pentatonic scale: any order of it is bearable."""

_AMPLITUDE = 6000.0
"""About -18 dBFS, as loud as speech."""

SYLLABLE_MS = 180
"""Length of a note with its rest: three characters."""


class ScriptedEars:
    """Tell sound from silence and measure it; they know no words."""

    def hear(self, pcm: bytes) -> Heard:
        """Return how long it was loud."""
        samples = np.frombuffer(pcm, dtype="<i2")
        frames = (samples[at : at + FRAME_FRAMES] for at in range(0, len(samples), FRAME_FRAMES))
        voiced = sum(rms_dbfs(frame) >= _SPEECH_DBFS for frame in frames)
        return Heard(is_speech=voiced > 0, voiced_ms=voiced * FRAME_MS)


class ScriptedBrain:
    """Says what a script says, line after line, round and round; without one it tells what reached it.

    A line ``@name {"argument": 1}`` calls that function, if it may be called; otherwise the line is said.

    Args:
        script: Replies used in turn, over all sessions.
    """

    def __init__(self, script: list[str] | None = None) -> None:
        self._lines = itertools.cycle(script) if script else None

    def answer(self, prompt: Prompt) -> str | Call | None:
        """Return the next line, or what can honestly be said about the prompt."""
        if prompt.heard is not None and not prompt.heard.is_speech and not prompt.idle:
            return waiting(prompt.tools)
        if self._lines is not None:
            line = next(self._lines)
            return _scripted_call(line, prompt) or line
        if prompt.results:
            if is_waiting(prompt.results[-1].name):
                return None
            return " ".join(f"{result.name} returned: {result.output}" for result in prompt.results)
        call = chosen(prompt.text.lower(), prompt.text, prompt.tools, must_call=prompt.must_call)
        return call if isinstance(call, Call) else _told(prompt)


def _told(prompt: Prompt) -> str:
    """Return what reached the brain, in words."""
    if prompt.idle:
        return "Nobody said anything."
    if prompt.heard is not None:
        return f"You said something for {prompt.heard.voiced_ms} milliseconds."
    return f"You wrote: {prompt.text}" if prompt.text else prompt.instructions or "Hello."


def _scripted_call(line: str, prompt: Prompt) -> Call | None:
    """Return the call that a line of a script stands for, or None when it is meant to be said."""
    match = re.fullmatch(r"@([\w-]+)(?: (\{.*\}))?", line)
    if match is None or match[1] not in [tool["name"] for tool in prompt.tools]:
        return None
    return Call(match[1], json.loads(match[2] or "{}"))


class ScriptedVoice:
    """Hums: one note for each syllable or so, so that an answer's length follows its text."""

    def sentences(self, text: str) -> list[str]:
        """Cut after full stops, question and exclamation marks."""
        return in_breaths([piece for piece in re.split(r"(?<=[.!?])\s+", text.strip()) if piece])

    def speak(self, sentence: str, speed: float) -> bytes:
        """Hum as long as it would take to say the sentence."""
        syllables = max(1, round(len(sentence) * _CHARACTER_MS / SYLLABLE_MS))
        length = int(SYLLABLE_MS * WIRE_RATE_HZ / 1000 / speed)
        envelope = np.sin(np.linspace(0.0, np.pi, length)) ** 0.5
        notes = []
        for index in range(syllables):
            pitch_hz = _NOTES_HZ[(len(sentence) + index * index) % len(_NOTES_HZ)]
            phase = 2 * np.pi * pitch_hz * np.arange(length) / WIRE_RATE_HZ
            notes.append(_AMPLITUDE * envelope * np.sin(phase))
        pcm = np.concatenate(notes).astype("<i2").tobytes()
        assert len(pcm) == syllables * length * SAMPLE_BYTES
        return pcm

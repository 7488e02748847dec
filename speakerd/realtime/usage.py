"""What the service says a response or a transcription took. Pure values; what it costs is the core's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response, by kind. Cached ones are part of the input."""

    text_in: int
    """Text tokens read."""

    audio_in: int
    """Audio tokens read: one for each 100 ms of the user, each 50 ms of earlier replies."""

    cached_text_in: int
    """Of the text read, what was cached."""

    cached_audio_in: int
    """Of the audio read, what was cached."""

    text_out: int
    """Text tokens written."""

    audio_out: int
    """Audio tokens spoken: one for each 50 ms."""


@dataclass(frozen=True, slots=True)
class TranscriptionUsage:
    """What writing down an utterance of the user took: some models count seconds, some tokens."""

    seconds: float
    """Length of the sound, where the model is paid by time; else 0."""

    text_in: int
    """Text tokens read."""

    audio_in: int
    """Audio tokens read."""

    text_out: int
    """Text tokens written."""

"""The sentences that say what is wrong: sound files by language, played by the loudspeaker.

Which sentence is said when is decided in ``core``. Here: where its sound is, and that nobody is woken by one at night.
"""

from __future__ import annotations

import logging
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speakerd.core.actions import Earcon
from speakerd.core.notices import Notice
from speakerd.core.pcm import Resampler
from speakerd.core.story import Kind, story
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ

FOLDER = Path(__file__).parent / "sentences"
"""The sentences that ship: English."""

FALLBACK = "en"
"""Whoever's language is missing is told in this one rather than not at all."""

NIGHT_FROM_HOUR, NIGHT_UNTIL_HOUR = 22, 7
"""What nobody asked for is not said from 22:00 until 7:00 (guess)."""

LONGEST_S = 10.0
"""A longer file is a mistake: it would hold up a reply (guess)."""

_log = logging.getLogger("speakerd.notices")


class SpokenNotices:
    """Says what is wrong. Implements ``ports.Voice``. Thread: event loop; a file of some 100 kB is read once.

    Args:
        play: Plays wire audio under a name.
        chime: Plays the short sound that stands for a sentence that is missing.
        language: Which language; English where a sentence is missing in it.
        hour: The hour of the day, local time.
        folders: Where to look, the owner's own first; each holds a folder a language.
    """

    def __init__(
        self,
        *,
        play: Callable[[npt.NDArray[np.int16], str], None],
        chime: Callable[[Earcon], None],
        language: str,
        hour: Callable[[], int],
        folders: Sequence[Path] = (FOLDER,),
    ) -> None:
        self._play = play
        self._chime = chime
        self._language = language
        self._hour = hour
        self._folders = folders
        self._sounds: dict[Notice, npt.NDArray[np.int16] | None] = {}

    def use(self, language: str) -> None:
        """Speak this language from now on, and look for every sentence anew: the owner may have other ones."""
        self._language = language
        self._sounds.clear()

    def say(self, notice: Notice, *, asked: bool) -> None:
        """Play a sentence; what nobody asked for is not said at night."""
        if not asked and not NIGHT_UNTIL_HOUR <= self._hour() < NIGHT_FROM_HOUR:
            return
        if notice not in self._sounds:
            self._sounds[notice] = self._find(notice)
        sound = self._sounds[notice]
        if sound is None:
            self._chime(Earcon.ERROR)
        else:
            _log.info(
                "said what is wrong: %s", notice.value.replace("-", " "), extra=story(Kind.NOTICE, cause=notice.value)
            )
            self._play(sound, notice.value)

    def _find(self, notice: Notice) -> npt.NDArray[np.int16] | None:
        """Return the first file that can be played; one that cannot is told and passed over."""
        for language in dict.fromkeys((self._language, FALLBACK)):
            for folder in self._folders:
                path = folder / language / f"{notice.value}.wav"
                try:
                    return read_sentence(path)
                except FileNotFoundError:
                    continue
                except (OSError, EOFError, wave.Error, ValueError) as error:
                    _log.warning("%s cannot be played: %s; what is needed is a mono WAV file, 16 bits", path, error)
        return None


def read_sentence(path: Path) -> npt.NDArray[np.int16]:
    """Return a sound file as wire audio.

    Raises:
        OSError: it cannot be read.
        EOFError, wave.Error: it is no WAV file.
        ValueError: it has another format, or is too long.
    """
    return as_wire_audio(*read_frames(path))


def read_frames(path: Path) -> tuple[npt.NDArray[np.int16], int]:
    """Return a sound file as it is, and its rate in Hz. Raises what ``read_sentence`` does."""
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, SAMPLE_BYTES):
            raise ValueError(f"{file.getnchannels()} channels, {8 * file.getsampwidth()} bits")
        if file.getnframes() > LONGEST_S * file.getframerate():
            raise ValueError(f"longer than {LONGEST_S:.0f} s")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


def as_wire_audio(frames: npt.NDArray[np.int16], rate_hz: int) -> npt.NDArray[np.int16]:
    """Return sound at the wire's rate."""
    return frames if rate_hz == WIRE_RATE_HZ else Resampler(rate_hz, WIRE_RATE_HZ).process(frames)

"""Where to sign in and the code to enter there, said aloud: sentences, and the code character by character.

When it is said is decided elsewhere; the sounds are files beside those of ``notices.py``, one for each character.
"""

from __future__ import annotations

import logging
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speakerd.audio.notices import FALLBACK, FOLDER, as_wire_audio, read_frames
from speakerd.core.actions import Earcon

PAUSE_S = 0.3
"""Between two characters: time to write one down (guess)."""

BREATH_S = 1.0
"""Before the code is said again, and where it has a dash (guess)."""

TIMES = 2
"""How often the code is said: nobody has a pen in hand at once (guess)."""

NAME = "sign-in-code"
"""What the diary calls it: nothing of the code."""

_PAGES = {
    "microsoft.com/devicelogin": "login-microsoft",
    "login.microsoft.com/device": "login-device",
}
"""Addresses that can be said (documented, and seen in answers); the others are on the terminal only."""

_ANY_PAGE, _CODE = "login-other", "login-code"

_log = logging.getLogger("speakerd.notices")

Sound = tuple[npt.NDArray[np.int16], int]
"""Frames, and their rate in Hz."""


class SpelledCode:
    """Says where to sign in, and the code. Thread: event loop; some 20 small files are read each time.

    Args:
        play: Plays wire audio under a name.
        chime: Plays the short sound that stands for what cannot be said.
        language: Which language; English where anything is missing in it, so that no two are mixed.
        folders: Where to look, the owner's own first; each holds a folder a language.
    """

    def __init__(
        self,
        *,
        play: Callable[[npt.NDArray[np.int16], str], None],
        chime: Callable[[Earcon], None],
        language: str,
        folders: Sequence[Path] = (FOLDER,),
    ) -> None:
        self._play = play
        self._chime = chime
        self._language = language
        self._folders = folders

    def use(self, language: str) -> None:
        """Speak this language from now on."""
        self._language = language

    def say(self, verification_uri: str, user_code: str) -> None:
        """Say it all; where a file is missing, nothing of it.

        Args:
            verification_uri: Where to sign in.
            user_code: What to enter there.
        """
        for language in dict.fromkeys((self._language, FALLBACK)):
            sounds = self._find(language, names_of(verification_uri, user_code))
            if sounds is not None:
                self._play(spoken(verification_uri, user_code, sounds), NAME)
                return
        self._chime(Earcon.ERROR)

    def _find(self, language: str, names: Iterable[str]) -> dict[str, Sound] | None:
        """Return all sounds, or None when one is missing."""
        found: dict[str, Sound] = {}
        for name in names:
            sound = self._read(language, name)
            if sound is None:
                return None
            found[name] = sound
        return found

    def _read(self, language: str, name: str) -> Sound | None:
        """Return the first file that can be played; one that cannot is told and passed over."""
        for folder in self._folders:
            path = folder / language / f"{name}.wav"
            try:
                return read_frames(path)
            except FileNotFoundError:
                continue
            except (OSError, EOFError, wave.Error, ValueError) as error:
                _log.warning("%s cannot be played: %s; what is needed is a mono WAV file, 16 bits", path, error)
        return None


def names_of(verification_uri: str, user_code: str) -> set[str]:
    """Return the files that are needed to say it."""
    return {_page(verification_uri), _CODE, *filter(None, map(_character, user_code))}


def spoken(verification_uri: str, user_code: str, sounds: dict[str, Sound]) -> npt.NDArray[np.int16]:
    """Return it as wire audio.

    Args:
        verification_uri: Where to sign in.
        user_code: What to enter there.
        sounds: All that ``names_of`` names.
    """
    page, sentence = sounds[_page(verification_uri)], sounds[_CODE]
    code = [part for character in user_code for part in _said(_character(character), sounds)]
    once = _joined([sentence, _silence(PAUSE_S, sentence), *code, _silence(BREATH_S, sentence)])
    return np.concatenate([_joined([page, _silence(PAUSE_S, page)]), *[once] * TIMES])


def _said(name: str | None, sounds: dict[str, Sound]) -> Iterator[Sound]:
    """Give one character and the silence behind it; a dash is silence only."""
    if name is None:
        yield _silence(BREATH_S, sounds[_CODE])
    else:
        yield sounds[name]
        yield _silence(PAUSE_S, sounds[name])


def _joined(sounds: Iterable[Sound]) -> npt.NDArray[np.int16]:
    """Return sounds as one; those of one rate are resampled together, which takes a tenth of the time (measured)."""
    runs = groupby(sounds, key=lambda sound: sound[1])
    return np.concatenate([as_wire_audio(np.concatenate([frames for frames, _ in run]), rate) for rate, run in runs])


def _silence(span_s: float, like: Sound) -> Sound:
    return np.zeros(round(span_s * like[1]), np.int16), like[1]


def _page(uri: str) -> str:
    address = uri.partition("://")[2].removeprefix("www.").rstrip("/").lower()
    return _PAGES.get(address, _ANY_PAGE)


def _character(character: str) -> str | None:
    """Return the file of a character; None: it is none that people enter."""
    return f"spell-{character.lower()}" if character.isalnum() else None

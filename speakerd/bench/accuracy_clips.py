"""The clips that accuracy is measured with: what a folder of recordings holds, its sub-folders being the labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speakerd.bench.accuracy_files import SUFFIXES, read

Int16 = npt.NDArray[np.int16]

NEAR_LABEL = "near"
"""The sub-folder of what merely sounds like a wake word: it is counted by the clip, because how often anybody says such
a thing in an hour is not in the recordings."""

_VERSION = re.compile(r"_v\d[\d_]*$")
"""What published models have behind their name."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording."""

    name: str
    """What it is called: its path below the folder, or who says what."""

    label: str
    """Its sub-folder."""

    word: str | None
    """The wake word that is said in it; None: none is."""

    load: Callable[[], Int16]
    """Returns it, mono at 16 kHz. Raises ``UnreadableError``."""

    alone: bool = True
    """Whether it ends with the wake word, so that it can be said how late a detection is."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that was left out."""

    name: str
    """Its path below the folder."""

    why: str
    """The reason."""


def find_clips(folder: Path, words: Sequence[str]) -> tuple[list[Clip], list[Unread]]:
    """Return the clips of a folder, in the order of their names, and what is in it that is none.

    Args:
        folder: Its sub-folders are the labels; whatever lies deeper has the label of the first one.
        words: The wake words; a sub-folder named as one of them holds positives, each other one negatives.

    Raises:
        OSError: it cannot be listed.
    """
    clips: list[Clip] = []
    unread: list[Unread] = []
    for path in sorted(_files(folder)):
        name = path.relative_to(folder).as_posix()
        label, _, rest = name.partition("/")
        if not rest:
            unread.append(Unread(name, "it lies in no sub-folder, so it has no label"))
        elif path.suffix.lower() not in SUFFIXES:
            unread.append(Unread(name, f"{path.suffix or 'a name without a suffix'} is not understood: WAV or FLAC"))
        else:
            clips.append(Clip(name, label, word_of(label, words), lambda path=path: read(path)))  # type: ignore[misc]  # mypy does not infer a lambda's default
    return clips, unread


def word_of(label: str, words: Iterable[str]) -> str | None:
    """Return the wake word that a label names, however it is spelt; None: it names none."""
    plain = _plain(label)
    return next((word for word in words if plain in (_plain(word), _VERSION.sub("", _plain(word)))), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _files(folder: Path) -> list[Path]:
    """Return every file below a folder; those whose name begins with a dot are the system's, not the owner's."""
    folder.stat()  # raises where rglob would be silent
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]

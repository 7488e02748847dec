"""The clips that accuracy is measured with: what a folder of recordings holds, its sub-folders being the labels."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speakerd.bench.accuracy_files import SUFFIXES, not_understood, read

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


def find_clips(folder: Path, words: Sequence[str], *, without: Iterable[Path] = ()) -> tuple[list[Clip], list[Unread]]:
    """Return the clips of a folder, in the order of their names, and what is in it that is none.

    Args:
        folder: Its sub-folders are the labels; whatever lies deeper has the label of the first one.
        words: The wake words; a sub-folder named as one of them holds positives, each other one negatives.
        without: Folders that hold no clips, wherever they are.

    Raises:
        OSError: it cannot be listed.
    """
    files, unread = recordings(folder, without)
    clips: list[Clip] = []
    for name, path in files:
        label, _, rest = name.partition("/")
        if rest:
            clips.append(Clip(name, label, word_of(label, words), lambda path=path: read(path)))  # type: ignore[misc]  # mypy does not infer a lambda's default
        else:
            unread.append(Unread(name, "it lies in no sub-folder, so it has no label"))
    return clips, unread


def recordings(folder: Path, without: Iterable[Path] = ()) -> tuple[list[tuple[str, Path]], list[Unread]]:
    """Return every file below a folder that may be a recording, by its name there, and what else there is.

    Links are followed, each folder once. What begins with a dot is the system's, not the owner's.

    Args:
        folder: Where to look.
        without: Folders that are passed over.

    Raises:
        OSError: it cannot be listed.
    """
    files: list[tuple[str, Path]] = []
    unread: list[Unread] = []
    seen = {_identity(each) for each in (folder, *without) if each.exists()}

    def name_of(path: Path) -> str:
        # An old disk's names may be no UTF-8, and nobody could print or compare them.
        return os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")

    def fail(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise error
        unread.append(Unread(name_of(Path(error.filename)), error.strerror or str(error)))

    for parent, below, names in os.walk(folder, onerror=fail, followlinks=True):
        below.sort()
        fresh = [name for name in below if not name.startswith(".")]
        below.clear()
        for name in fresh:
            if (identity := _identity(Path(parent, name))) not in seen:
                seen.add(identity)
                below.append(name)
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            if (why := _no_recording(path)) is None:
                files.append((name_of(path), path))
            else:
                unread.append(Unread(name_of(path), why))
    return sorted(files), sorted(unread, key=lambda each: each.name)


def _no_recording(path: Path) -> str | None:
    """Return why a file cannot be a recording; None: it may be one."""
    if not path.exists():
        return "the link leads nowhere"
    if not path.is_file():
        return "it is no file"
    if path.suffix.lower() not in SUFFIXES:
        return not_understood(path)
    return None


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def word_of(label: str, words: Iterable[str]) -> str | None:
    """Return the wake word that a label names, however it is spelt; None: it names none."""
    plain = _plain(label)
    named = (word for word in words if plain and plain in (_plain(word), _VERSION.sub("", _plain(word))))
    return next(named, None)


def _plain(name: str) -> str:
    """Return the letters and digits of a name, in small letters, each composed as one."""
    return re.sub(r"[\W_]+", "_", unicodedata.normalize("NFKC", name).casefold()).strip("_")

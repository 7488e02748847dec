"""What accuracy is measured with: the owner's clips and noise, or what can be made on the spot; else what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speakerd.bench import accuracy_noise, accuracy_voices
from speakerd.bench.accuracy_clips import Clip, Unread, find_clips
from speakerd.bench.accuracy_voices import Voice
from speakerd.bench.accuracy_words import SPOKEN
from speakerd.core.settings import Wake

SNRS_DB: tuple[float | None, ...] = (None, 10.0, 0.0)
"""What is measured unless told otherwise: quiet, a kitchen at work, and as loud as the speech (specified)."""

LISTEN = "listen"
"""The folder, where we write, of what went wrong as sound."""

MINUTES = 20.0
"""How much everyday speech is synthesised unless told otherwise (chosen: with none falsely accepted, at most 9 an hour
are then likely)."""

SEED = 1
"""Of every choice, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be measured."""

    wake: Wake
    """The configuration: which words, which threshold, which engine, with or without the gate."""

    folder: Path | None = None
    """The owner's clips; None: synthesised ones."""

    noise: Path | None = None
    """The owner's noise; None: made on the spot."""

    snrs_db: tuple[float | None, ...] = SNRS_DB
    """How far the clips stand above the noise; None: no noise."""

    seed: int = SEED
    """Equal ones measure the same."""

    minutes: float = MINUTES
    """How much everyday speech is synthesised."""


@dataclass(slots=True)
class Found:
    """What there is to measure with."""

    clips: list[Clip] = field(default_factory=list)
    """The clips."""

    beds: list[accuracy_noise.Bed] = field(default_factory=list)
    """The noises."""

    unread: list[Unread] = field(default_factory=list)
    """Files that were left out; what cannot be read is known only when it is loaded."""


def find(
    wishes: Wishes,
    words: Sequence[str],
    say: Callable[[str], None],
    voices: Sequence[Voice] | None = None,
    *,
    out: Path | None = None,
) -> Found | None:
    """Return clips and noise; None: there is nothing to measure with, and it was said what to do.

    Args:
        wishes: What is to be measured.
        words: The wake words, by the names of their models.
        say: Told what there is.
        voices: Who speaks where the owner has no clips; None: every voice of this machine.
        out: Where we write; what is there is no clip.
    """
    found = Found()
    try:
        if wishes.folder is not None:
            others = [out, out / LISTEN] if out is not None else []
            others += [wishes.noise] if wishes.noise is not None else []
            found.clips, found.unread = find_clips(wishes.folder, words, without=others)
        else:
            found.clips = _synthesised(wishes, words, accuracy_voices.find_voices() if voices is None else voices, say)
        if wishes.noise is None:
            found.beds = accuracy_noise.made(wishes.seed)
        else:
            found.beds, unread = accuracy_noise.recorded(wishes.noise)
            found.unread += unread
    except OSError as error:
        say(f"nothing could be measured: {error.filename}: {error.strerror}")
        return None
    if not found.clips:
        tell_unread(found.unread, say)
        if wishes.folder is not None:
            say(
                f"nothing could be measured: {wishes.folder} holds no clips. Put WAV files into sub-folders of it: "
                f"those with the wake word into {' or '.join(words)}, all others into, for instance, other"
            )
        return None
    if not found.beds:
        tell_unread(found.unread, say)
        say(f"nothing could be measured: {wishes.noise} holds no noise. Put WAV files there, or leave --noise out")
        return None
    return found


def _synthesised(
    wishes: Wishes, words: Sequence[str], voices: Sequence[Voice], say: Callable[[str], None]
) -> list[Clip]:
    known = [word for word in words if word in SPOKEN]
    for word in words:
        if word not in SPOKEN:
            say(f"{word} is not synthesised: how your own model is spoken is not known. Record it and give the folder")
    if not voices or not known:
        say(
            "nothing could be measured: "
            + ("no word to say" if voices else "nobody can speak here: install speakerd[local], flite or espeak-ng")
            + "; with recordings of your own: speakerd bench accuracy DIR"
        )
        return []
    families = sorted({voice.family for voice in voices})
    say(
        f"{len(voices)} synthetic voices of {', '.join(families)}. They are no people: they show that nothing is "
        "broken, and which noise is too much. To learn about your speaker record your family, and give the folder"
    )
    return accuracy_voices.synthesised(voices, known, wishes.minutes, wishes.seed)


def tell_clips(clips: Sequence[Clip], say: Callable[[str], None]) -> None:
    """Say what each label holds, and what cannot be counted without another one."""
    for label in dict.fromkeys(clip.label for clip in clips):
        of_it = [clip for clip in clips if clip.label == label]
        what = f"the wake word {of_it[0].word}" if of_it[0].word else "no wake word"
        say(f"{label}: {len(of_it)} clips, {what}")
    if all(clip.word is None for clip in clips):
        say("no sub-folder is named as a wake word: misses cannot be counted")
    elif all(clip.word is not None for clip in clips):
        say("there is no sub-folder with anything else: false accepts cannot be counted")


def tell_unread(unread: Sequence[Unread], say: Callable[[str], None]) -> None:
    """Say which files were left out, and why; nothing where there are none."""
    if unread:
        say(f"left out: {len(unread)} files")
        for each in unread:
            say(f"  {each.name}: {each.why}")

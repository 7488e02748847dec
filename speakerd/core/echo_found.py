"""What is worth knowing of an echo at the next start: whether there was one, how loud and how late.

That there was none is believed again only between the same cards, and leaves the canceller out from the first reply on.
It does not let speech cut that reply: whether a volume was turned up meanwhile, or a headphone unplugged, is not known
to anybody, and a loudspeaker that is heard would interrupt itself (measured: twice in its first reply).
What a canceller has learnt of a room is not kept: it would not hold for a loudspeaker that starts anew. Where it is
written is ``host/echo_file.py``'s business.
"""

from __future__ import annotations

from dataclasses import dataclass

from speakerd.core.echo_path import LEAKS_MAX, EchoFigures

WINDOWS_OF_ECHO = 4
"""An echo is known after so many windows, 2.5 s (chosen: by then the probe has decided)."""

_SAME_DB, _SAME_MS = 3.0, 10.0
"""An echo that has moved by less is the same: nothing is written for it (chosen)."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What an echo belongs to: another one tells nothing of it."""

    capture: str
    """The microphone's name in the configuration."""

    playback: str
    """The loudspeaker's."""

    cards: tuple[str, ...]
    """The sound cards of the machine: what ``default`` is may change with them."""


@dataclass(frozen=True, slots=True)
class EchoFound:
    """What was found."""

    hears_echo: bool
    """The microphone hears the loudspeaker."""

    echo_dbfs: float | None = None
    """How loud."""

    delay_ms: float | None = None
    """How much later."""


def revise(known: EchoFound | None, figures: EchoFigures) -> EchoFound | None:
    """Return what is known after a measurement; None: nothing.

    Args:
        known: What was known before.
        figures: What was measured.
    """
    if figures.inaudible and figures.leaks >= LEAKS_MAX:
        return None  # an echo that the probe does not know, or somebody who talks over everything
    if figures.inaudible:
        return EchoFound(hears_echo=False) if figures.windows else known
    if figures.windows < WINDOWS_OF_ECHO:
        # There was none, and now there is one that nobody has measured yet.
        return known if known is None or known.hears_echo else None
    found = EchoFound(True, figures.echo_dbfs, figures.delay_ms)
    return known if known is not None and _is_same(known, found) else found


def _is_same(known: EchoFound, found: EchoFound) -> bool:
    return (
        known.hears_echo
        and _is_near(known.echo_dbfs, found.echo_dbfs, _SAME_DB)
        and _is_near(known.delay_ms, found.delay_ms, _SAME_MS)
    )


def _is_near(one: float | None, other: float | None, most: float) -> bool:
    return one == other if one is None or other is None else abs(one - other) <= most

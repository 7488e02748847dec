"""A timeline as text: the moments, the hops between them, and both transcripts, aligned. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from speakerd.demo.timeline import HOPS, MOMENTS, Timeline, Turn

_NAME_WIDTH = 36
_COLUMN_WIDTH = 10
_TEXT_WIDTH = 96
_NONE = "-"


def format_timeline(timeline: Timeline) -> str:
    """Return the moments in seconds since the first word, then the hops in milliseconds; a column for each turn."""
    turns = timeline.turns
    head = "".join(f"{f'turn {number}':>{_COLUMN_WIDTH}}" for number in range(1, len(turns) + 1))
    moments = [_row(name, turns, lambda turn, at=at: _since(at(turn), timeline.begin_s)) for name, at in MOMENTS]  # type: ignore[misc]  # mypy does not infer a lambda's default
    hops = [_row(name, turns, lambda turn, hop=hop: _whole(hop(turn))) for name, hop in HOPS]  # type: ignore[misc]  # the same
    rule = "-" * (_NAME_WIDTH + _COLUMN_WIDTH * len(turns))
    return "\n".join(
        [f"{'seconds since the first word':<{_NAME_WIDTH}}{head}", rule, *moments, "", "milliseconds", rule, *hops]
    )


def format_transcripts(timeline: Timeline, recognised: Sequence[str | None] = ()) -> str:
    """Return who said what: as it was said, as it was understood, as it was answered, as it was heard in the room.

    Args:
        timeline: The conversation.
        recognised: For each turn what an ear in the room heard the loudspeaker say; None or missing: nobody listened.
    """
    heard = [*recognised, *[None] * len(timeline.turns)]
    blocks = []
    for number, (turn, words) in enumerate(zip(timeline.turns, heard, strict=False), 1):
        rows = [
            ("user said", turn.spoken.words),
            ("service heard", turn.understood),
            ("service answered", turn.answered),
            ("room heard", words),
        ]
        note = " (interrupted)" if turn.interruption else ""
        blocks.append("\n".join([f"turn {number}{note}", *(_wrapped(name, text) for name, text in rows if text)]))
    return "\n\n".join(blocks)


def _row(name: str, turns: Sequence[Turn], cell: Callable[[Turn], str]) -> str:
    return f"{name:<{_NAME_WIDTH}}" + "".join(f"{cell(turn):>{_COLUMN_WIDTH}}" for turn in turns)


def _since(at_s: float | None, begin_s: float) -> str:
    return _NONE if at_s is None else f"{at_s - begin_s:.3f}"


def _whole(value: float | None) -> str:
    return _NONE if value is None else f"{value:.0f}"


def _wrapped(name: str, text: str) -> str:
    label = f"  {name:<18}"
    return textwrap.fill(text, _TEXT_WIDTH, initial_indent=label, subsequent_indent=" " * len(label))

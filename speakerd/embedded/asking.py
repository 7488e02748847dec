"""What a response has to answer to: the last thing the user said, or what functions have returned. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from speakerd.embedded.items import Item
from speakerd.embedded.parts import Heard, Prompt, Result
from speakerd.embedded.responses import Wish


def subject(items: Sequence[Item]) -> Item | None:
    """Return the item that is to be answered, or None when there is none: the last of the user or of a function."""
    return next((item for item in reversed(items) if _asks(item)), None)


def prompt_for(items: Sequence[Item], wish: Wish, instructions: str, heard: Heard | None, now: datetime) -> Prompt:
    """Return what the brain is told.

    Args:
        items: What the response reads, oldest first.
        wish: What the response was asked to be.
        instructions: What the session says.
        heard: What was heard of the subject, when it is spoken.
        now: Local time.
    """
    item = subject(items)
    results = _results(items) if item is not None and item.type == "function_call_output" else ()
    return Prompt(
        text=item.words if item is not None else "",
        heard=heard,
        instructions=wish.instructions if wish.own_instructions else None,
        character=instructions,
        tools=wish.callable(),
        must_call=wish.must_call and not results,  # else a forced call would be made again and again
        results=results,
        idle=item is not None and item.idle,
        now=now,
        is_first=not any(i.type == "message" and i.role == "assistant" and i.status != "in_progress" for i in items),
    )


def _asks(item: Item) -> bool:
    return item.type == "function_call_output" or (item.type == "message" and item.role == "user")


def _results(items: Sequence[Item]) -> tuple[Result, ...]:
    """Return what functions returned since anybody last spoke, oldest first."""
    names = {i.extra.get("call_id"): str(i.extra["name"]) for i in items if i.type == "function_call"}
    results: list[Result] = []
    for item in reversed(items):
        if item.type == "message" and item.role != "system":
            break
        if item.type == "function_call_output":
            results.append(Result(names.get(item.extra["call_id"], ""), item.extra["output"]))
    return tuple(reversed(results))

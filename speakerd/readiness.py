"""When a start is over: each part has come up, or has been looked for in vain and goes on being looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class Readiness:
    """What is still waited for. Thread: event loop.

    Args:
        parts: The names of what must come up.
        on_part: Told of each, once.
        on_ready: Told once, with the last.
    """

    def __init__(self, parts: Iterable[str], on_part: Callable[[str], None], on_ready: Callable[[], None]) -> None:
        self._missing = set(parts)
        self._on_part = on_part
        self._on_ready = on_ready

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing any more."""
        return not self._missing

    def note(self, part: str) -> None:
        """Take note that a part has come up; again, and later, is of no interest."""
        if part not in self._missing:
            return
        self._missing.remove(part)
        self._on_part(part)
        if not self._missing:
            self._on_ready()

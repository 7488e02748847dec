"""Who looks on while a session runs: the log of its turns, and the recording.

A witness changes nothing and must not raise: what it cannot do it tells its operator, and the session goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Witness(Protocol):
    """Looks on. Thread: event loop; quick."""

    def posted(self, event: dict[str, Any]) -> None:
        """See a server event that was queued for the client."""

    def listened(self, item_id: str, pcm: bytes) -> None:
        """See the audio of an item that the user has said."""

    def recognised(self, item_id: str, text: str) -> None:
        """See the words found in an item; empty when there were none, or the ears know no words."""

    def closed(self) -> None:
        """See the session end."""


class Witnesses:
    """Several witnesses as one.

    Args:
        members: They are told in this order.
    """

    def __init__(self, members: Sequence[Witness]) -> None:
        self._members = members

    def posted(self, event: dict[str, Any]) -> None:
        """Tell all of them."""
        for member in self._members:
            member.posted(event)

    def listened(self, item_id: str, pcm: bytes) -> None:
        """Tell all of them."""
        for member in self._members:
            member.listened(item_id, pcm)

    def recognised(self, item_id: str, text: str) -> None:
        """Tell all of them."""
        for member in self._members:
            member.recognised(item_id, text)

    def closed(self) -> None:
        """Tell all of them."""
        for member in self._members:
            member.closed()

"""What was asked of the fake authority, and when; no secrets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from tests.fakes.entra_answers import TOKEN_ENDPOINTS


@dataclass
class Visit:
    """One request."""

    endpoint: str
    """Where: one of ``ENDPOINTS``."""

    begun_s: float
    """When, on the monotonic clock."""

    correlation_id: str
    """What the client calls its attempt."""

    form: dict[str, str] = field(default_factory=dict)
    """What it asked for; without secrets, unless the authority was told to keep them."""

    fault: str | None = None
    """The fault it met."""

    status: int | None = None
    """What it was answered; None: nothing, or nothing yet."""

    aadsts: int | None = None
    """The code of the refusal."""

    ended_s: float | None = None
    """When the answer was ready, or it was broken off; None: it is under way."""


class Journal:
    """What was asked of the authority. Thread: any."""

    def __init__(self) -> None:
        self._visits: list[Visit] = []

    def add(self, visit: Visit) -> None:
        """Note a request."""
        self._visits.append(visit)

    def visits(self, *endpoints: str) -> list[Visit]:
        """Return the requests to some endpoints, or all, in order."""
        return [visit for visit in list(self._visits) if not endpoints or visit.endpoint in endpoints]

    def count(self, *endpoints: str) -> int:
        """Return how many requests there were to some endpoints, or in all."""
        return len(self.visits(*endpoints))

    def overlapped(self, *endpoints: str) -> bool:
        """Return whether two requests to the token endpoint (or those named) were ever under way at once."""
        flights = sorted(self.visits(*(endpoints or TOKEN_ENDPOINTS)), key=lambda one: one.begun_s)
        return any(one.ended_s is None or one.ended_s > after.begun_s for one, after in itertools.pairwise(flights))

    def clear(self) -> None:
        """Forget everything."""
        self._visits.clear()

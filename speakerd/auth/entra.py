"""Signing handshakes with a token of Microsoft Entra ID. Where the tokens come from is the keeper's business."""

from __future__ import annotations

from collections.abc import Mapping

from speakerd.auth.keeper import TokenKeeper
from speakerd.core.errors import AuthError

PATIENCE_S = 0.7
"""How long a handshake waits where there is no token: who has said the wake word hears within a second how it stands
(required)."""

RENEWAL_PATIENCE_S = 5.0
"""How long it waits at most where the service has just refused a token and the next one is being fetched: what is said
is kept meanwhile, and a conversation that comes late is better than none (guess: a Pi loads the library in three
seconds)."""

_RENEWAL_SHARE = 2.0
"""It waits for so many times what the quickest fetch took: what takes much longer mostly does not come (guess)."""


class EntraCredentials:
    """Credentials as the link wants them. Thread: event loop.

    Args:
        keeper: Has the token.
        patience_s: How long to wait where it has none.
        renewal_patience_s: The same, at most, where the last one was refused and another is on its way.
    """

    def __init__(
        self,
        keeper: TokenKeeper,
        *,
        patience_s: float = PATIENCE_S,
        renewal_patience_s: float = RENEWAL_PATIENCE_S,
    ) -> None:
        self._keeper = keeper
        self._patience_s = patience_s
        self._renewal_patience_s = renewal_patience_s
        self._renewing = False
        self._last: str | None = None

    async def headers(self) -> Mapping[str, str]:
        """Return the header that carries the token.

        Raises:
            AuthError: there is none; its code and remedy are those of the state of the sign-in.
        """
        patience_s = self._longest_renewal_s() if self._renewing else self._patience_s
        self._renewing = False
        token = self._keeper.current() or await self._keeper.wait(patience_s)
        self._last = token.secret
        return {"Authorization": f"Bearer {token.secret}"}

    def _longest_renewal_s(self) -> float:
        quickest_s = self._keeper.quickest_s
        if quickest_s is None:
            return self._renewal_patience_s
        return min(self._renewal_patience_s, max(self._patience_s, _RENEWAL_SHARE * quickest_s))

    def rejected(self) -> AuthError | None:
        """Say that the service has refused what ``headers`` gave last.

        Returns:
            What is wrong where it refuses all of them: to sign in again would not help.
        """
        if self._last is not None:
            self._renewing = self._keeper.rejected(self._last)
            self._last = None
        return None if self._renewing else self._keeper.refusal

    def accepted(self) -> None:
        """Say that the service has taken what ``headers`` gave last."""
        if self._last is not None:
            self._keeper.accepted(self._last)

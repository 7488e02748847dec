"""The functions a session called: each is told once, answered once, and spoken about when the service may be asked to.

Pure. What a function does is no matter of this module.
"""

from __future__ import annotations

from collections.abc import Callable

from speakerd.core.events import FunctionCalled
from speakerd.realtime import wire
from speakerd.realtime.server_events import FunctionCall


class Calls:
    """Function calls, their answers, and the request for a response.

    A response that began before the service had read an answer does not know it; one that began afterwards makes a
    request for another needless. Which it was, the order of the service's events says.

    Thread: whichever owns it.
    """

    def __init__(self, event_id: Callable[[], str]) -> None:
        self._event_id = event_id
        self._answered: dict[str, bool] = {}
        self._unread: dict[str, str] = {}
        self._wanted = False
        self._asked: str | None = None
        self._last_asked: str | None = None
        self._behind = False

    def called(self, call: FunctionCall) -> FunctionCalled | None:
        """Return the call for the core, or None when it was told before."""
        if call.call_id in self._answered:
            return None
        self._answered[call.call_id] = False
        return FunctionCalled(call.response_id, call.call_id, call.name, call.arguments)

    def answer(self, call_id: str, output: str) -> str | None:
        """Return the command that answers a call, or None where nobody asked, or it is answered."""
        if self._answered.get(call_id, True):
            return None
        self._answered[call_id] = True
        event_id = self._event_id()
        self._unread[event_id] = call_id
        return wire.item_create_output(call_id, output, event_id)

    def taken(self, call_id: str) -> None:
        """Note that the service has read an answer."""
        self._unread = {event_id: unread for event_id, unread in self._unread.items() if unread != call_id}

    def ask(self) -> None:
        """Note that a response is wanted."""
        self._wanted = True

    def due(self, *, busy: bool) -> str | None:
        """Return the request for a response when it is wanted and legal.

        Args:
            busy: Whether a response runs, or the user speaks and will bring one about.
        """
        if not self._wanted or busy or self._asked is not None:
            return None
        self._wanted = False
        self._asked = self._last_asked = self._event_id()
        return wire.response_create(self._asked)

    def response_began(self) -> None:
        """Note that the service began a response, whoever asked for it."""
        self._behind = bool(self._unread)
        self._wanted = self._wanted and self._behind
        self._asked = None

    def refused(self, event_id: str | None, *, others_turn: bool) -> None:
        """Note that the service refused a command.

        Args:
            event_id: Which one.
            others_turn: Whether it was because a response runs already; its end is the time to ask again, unless it
                knows the answers.
        """
        self._unread.pop(event_id or "", None)
        if event_id is not None and event_id == self._last_asked:
            self._asked = None
            self._wanted = self._wanted or (others_turn and self._behind)

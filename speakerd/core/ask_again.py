"""Whether a question that the lost session has not answered is put to a new one, by itself.

Once only, whole or not at all, and only where a new session is all that is missing. What is done then is a cell of
``service_cells``.
"""

from __future__ import annotations

from speakerd.core.events import LinkLost
from speakerd.core.moves import is_deaf
from speakerd.core.notices import SERVICE_SILENT
from speakerd.core.state import LinkState, State
from speakerd.core.units import Frames

PASSING = frozenset(
    {
        "link-lost",
        SERVICE_SILENT,
        "link-closed-1001",
        "link-closed-1005",
        "link-closed-1011",
        "link-closed-1012",
        "link-closed-1013",
    }
)
"""Codes of what took a session and need not take the next: the network, or a service that goes away, fails, restarts or
is busy (specified by WebSocket). Everything else is a refusal, which a second time would be one again."""


def first_frame_again(state: State, event: LinkLost) -> Frames | None:
    """Return the wire frame from which the question under way is asked again; None: it is told that it was lost.

    Nobody is asked for again who could not be heard now, or who never stops. A question whose answer has called a
    function has no beginning any more: what was asked for may have been done.
    """
    again = state.link is LinkState.UP and event.code in PASSING and not state.asked_again
    hindered = state.over_budget or state.cut_off or is_deaf(state)
    if not again or hindered or state.asked_from is None or event.repeatable_from is None:
        return None
    return state.asked_from if event.repeatable_from <= state.asked_from else None

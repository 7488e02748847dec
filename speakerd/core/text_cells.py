"""Cells of the conversation's table: what somebody wrote, to be said or answered aloud.

They are like those of ``room_cells``. Nobody who writes asks to be listened to, so the microphone stays shut from the
first to the last moment (``State.by_text``): no window follows the reply, speech does not cut it, and the muted and the
deaf speaker speak all the same. The wake word cuts it as any reply, and the user then has the word.
"""

from __future__ import annotations

from dataclasses import replace

from speakerd.core.actions import FlushPlayback, OpenLink, SendText
from speakerd.core.events import Device, TextGiven
from speakerd.core.moves import Answer, listen
from speakerd.core.state import Limits, LinkState, Phase, State


def text_idle(state: State, event: TextGiven, now: float, limits: Limits) -> Answer:
    """Open a session and wait for what the service makes of it; nothing, where nobody could hear or pay for it.

    While a conversation is under way the cell is ``ignore``: whoever writes is told, or waits
    (``text_desk.py``).
    """
    if Device.LOUDSPEAKER in state.lost or state.over_budget:
        return state, ()
    after = replace(
        listen(state, deadline=now + limits.utterance_s, turn=1, user_speaking=False),
        phase=Phase.THINKING,
        by_text=True,
        link=LinkState.CONNECTING,
        prepared=False,
        trouble=None,
    )
    return after, (FlushPlayback(), OpenLink(), SendText(event.text, event.verbatim))

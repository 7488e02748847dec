"""Draw the README's state diagram from the table itself.

The cells are functions, so the diagram is explored: from rest, every kind of event is tried in every state that can be
reached, and each change of phase is an arrow. Run with ``--write`` to put it into the README; without, it only checks.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

from speakerd.core import events as e
from speakerd.core.conversation import step
from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.functions import END_CONVERSATION
from speakerd.core.sign_in import SignInState
from speakerd.core.state import Limits, Phase, State
from speakerd.core.units import Frames, ResponseId

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- state diagram: drawn from the table -->", "<!-- end of the state diagram -->"

RESPONSE = ResponseId("resp_1")
EVENTS: tuple[e.Event, ...] = (
    e.WakeWordApproached(0.3),
    e.WakeWordDetected("word", 1.0, Frames(0)),
    e.TextGiven("text", verbatim=True),
    e.PauseHeard(),
    e.StopRequested(),
    e.MuteChanged(muted=True),
    e.MicrophoneSilent(silent=True),
    e.EchoMeasured(EchoFigures(), BargeIn.WAKE_WORD),
    e.LinkUp(),
    e.LinkLost("link-lost", repeatable_from=Frames(0)),
    e.SessionReduced("session-refused"),
    e.SessionExpiring(),
    e.SpeechStarted(from_frame=Frames(0)),
    e.SpeechStopped(),
    e.ResponseCreated(RESPONSE),
    e.FunctionCalled(RESPONSE, "call_1", END_CONVERSATION, "{}"),
    e.AudioStarted(RESPONSE),
    e.ResponseDone(RESPONSE, "completed"),
    e.BudgetChanged(spent=True),
    e.SignInChanged(SignInState.SIGN_IN_REQUIRED, usable=False),
    e.PlaybackDrained(),
    e.DeviceLost(e.Device.MICROPHONE),
    e.DeviceLost(e.Device.LOUDSPEAKER),
    e.DeadlinePassed(),
)


def arrows() -> dict[tuple[Phase, Phase], list[str]]:
    """Explore the table; return the events behind each change of phase, in the order of the union."""
    start = State(lost=frozenset())
    seen, queue = {start}, deque([start])
    found: dict[tuple[Phase, Phase], list[str]] = {}
    while queue:
        state = queue.popleft()
        for event in EVENTS:
            after, _ = step(state, event, 0.0, Limits(max_turns=3))
            if after.phase is not state.phase:
                names = found.setdefault((state.phase, after.phase), [])
                name = type(event).__name__
                if name not in names:
                    names.append(name)
            key = replace(after, turn=min(after.turn, 3), trouble=None, said=None, deaf_untold=False)
            if key not in seen:
                seen.add(key)
                queue.append(key)
    order = [type(event).__name__ for event in EVENTS]
    return {pair: sorted(names, key=order.index) for pair, names in found.items()}


def words(name: str) -> str:
    """Turn an event's name into words."""
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).lower()


def diagram() -> str:
    """Return the diagram as the README holds it."""
    lines = [BEGIN, "```mermaid", "stateDiagram-v2", "    [*] --> IDLE"]
    found = arrows()
    for source in Phase:
        for target in Phase:
            names = found.get((source, target))
            if names:
                label = "<br/>".join(words(name) for name in names)
                lines.append(f"    {source.name} --> {target.name}: {label}")
    return "\n".join([*lines, "```", END])


def main() -> int:
    """Check the README, or write it."""
    text = README.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    fresh = pattern.sub(lambda _: diagram(), text)
    if "--write" in sys.argv:
        README.write_text(fresh, encoding="utf-8")
        return 0
    if fresh != text or BEGIN not in text:
        sys.stderr.write(
            "README.md: the state diagram is not the table's; run: .venv/bin/python .ci/state_diagram.py --write\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What faults make of the stream of server events: frames doubled, lost, unknown or broken. Pure."""

from __future__ import annotations

import json
from typing import Any

from speakerd.embedded.faults import Faults

UNKNOWN_TYPE = "speakerd.event.nobody_knows"
"""A type that no client can know."""

MALFORMED = '{"type": "response.output_audio.delta", "delta": '
"""A message that breaks off."""


class Tampering:
    """Turns events into messages, true or not.

    Args:
        faults: What to do to them; looked at for every event.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._seen = 0

    def messages(self, event: dict[str, Any]) -> list[str]:
        """Return what is sent for an event, in order."""
        kind = event["type"]
        self._seen += 1
        message = json.dumps(event)
        messages = [] if kind in self._faults.missing_events else [message]
        if kind in self._faults.duplicate_events:
            messages.append(message)
        every = self._faults.unknown_every_events
        if every and self._seen % every == 0:
            unknown = {"type": UNKNOWN_TYPE, "event_id": f"event_unknown_{self._seen}", "anything": {"goes": [1, None]}}
            messages.append(json.dumps(unknown))
        if self._seen == self._faults.malformed_after_events:
            messages.append(MALFORMED)
        return messages

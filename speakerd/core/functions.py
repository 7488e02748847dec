"""Functions that the model may call on this device, as it is told of them; what they do is in ``service_cells``."""

from __future__ import annotations

from typing import Any

END_CONVERSATION = "end_conversation"
"""The function by which the model says that the user has had enough (our own name)."""

WAIT_FOR_USER = "wait_for_user"
"""The function by which the model says that it was not spoken to (our own name)."""

DONE = '{"done": true}'
"""The result of a function that gives nothing."""

UNKNOWN_FUNCTION = '{"error": "there is no such function on this device"}'
"""What the model is told when it calls what we did not declare."""

_NO_ARGUMENTS = {"type": "object", "properties": {}, "required": []}

CONVERSATION_FUNCTIONS: tuple[dict[str, Any], ...] = (
    {
        "type": "function",
        "name": END_CONVERSATION,
        "description": (
            "Stop listening. Call it when the user says goodbye, stop, never mind, thank you or that this is all, and "
            "wants nothing else. Say at most a word of farewell."
        ),
        "parameters": _NO_ARGUMENTS,
    },
    {
        "type": "function",
        "name": WAIT_FOR_USER,
        "description": (
            "Say nothing and go on listening. Call it, without a word, when what you heard was not meant for you: "
            "people talking to each other, a television, noise, or a sentence that is not finished."
        ),
        "parameters": _NO_ARGUMENTS,
    },
)
"""Those that steer the conversation itself; they are declared in every session."""

"""How we want a session to be, and how that is said in ``session.update``.

Pure. When updates are sent and what a refusal means is ``session.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from speakerd.core.units import WIRE_RATE_HZ

DEFAULT_SILENCE_MS = 500
"""Silence that ends a turn. The service's own 200 ms would cut a burst of pre-roll at the pause after the wake word."""

_OTHER_DETECTORS_KEYS = {
    "server_vad": frozenset({"eagerness"}),
    "semantic_vad": frozenset({"threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"}),
}
"""Keys that one kind of turn detection does not know; naming them would have the whole update refused (specified)."""


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """How we want a session to be: everything that goes into ``session.update``."""

    voice: str = "marin"
    """The voice's name at the service."""

    instructions: str = ""
    """The assistant's character."""

    speed: float = 1.0
    """Speaking rate, 0.25 to 1.5."""

    language: str | None = None
    """Hint for the transcription of the user, ISO 639-1."""

    transcription_model: str | None = None
    """Model (on Azure: deployment) that writes down what the user said; None: none."""

    turn_detection: Mapping[str, object] | None = field(default_factory=lambda: {"type": "server_vad"})
    """As the service names it; None: the client says when to answer."""

    noise_reduction: str | None = "far_field"
    """``far_field``, ``near_field``, or None."""

    tools: tuple[Mapping[str, object], ...] = ()
    """Functions the service may call, as it describes them: type, name, description, parameters."""

    extra: Mapping[str, object] = field(default_factory=dict)
    """Further session fields, merged deeply over ours."""

    def full(self) -> dict[str, object]:
        """Return the session we want."""
        transcription = None
        if self.transcription_model is not None:
            hint = {} if self.language is None else {"language": self.language}
            transcription = {"model": self.transcription_model, **hint}
        ours: dict[str, object] = {
            "instructions": self.instructions,
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "noise_reduction": None if self.noise_reduction is None else {"type": self.noise_reduction},
                    "transcription": transcription,
                    "turn_detection": self._turn_detection(),
                },
                "output": {"voice": self.voice, "speed": self.speed},
            },
        }
        if self.tools:
            ours |= {"tools": [dict(tool) for tool in self.tools], "tool_choice": "auto"}
        # Our audio path stands on type and formats, so nothing may change them.
        return _merged(_merged(ours, self.extra), _FIXED)

    def minimal(self) -> dict[str, object]:
        """Return the least we can work with: formats, character, and turn detection with its silence."""
        detection: dict[str, object] | None = None
        if self.turn_detection is not None:
            silence_ms = self.turn_detection.get("silence_duration_ms")
            if not isinstance(silence_ms, int):
                silence_ms = DEFAULT_SILENCE_MS
            detection = {
                "type": "server_vad",
                "silence_duration_ms": silence_ms,
                "create_response": True,
                "interrupt_response": self.turn_detection.get("interrupt_response") is not False,
            }
        ours = {
            "instructions": self.instructions,
            "output_modalities": ["audio"],
            "audio": {"input": {"turn_detection": detection}},
        }
        return _merged(ours, _FIXED)

    def turns(self, *, minimal: bool) -> dict[str, object]:
        """Return turn detection alone, to change it in a session that runs.

        Args:
            minimal: As in ``minimal()``, for a service that has refused ``full()``.
        """
        session: dict[str, Any] = self.minimal() if minimal else self.full()
        detection = session["audio"]["input"]["turn_detection"]
        return {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}

    def interrupting(self, interrupt: bool) -> SessionSpec:
        """Return the same session with replies that speech cuts, or does not; without turn detection nothing does."""
        if self.turn_detection is None:
            return self
        return replace(self, turn_detection={**self.turn_detection, "interrupt_response": interrupt})

    def _turn_detection(self) -> dict[str, object] | None:
        if self.turn_detection is None:
            return None
        kind = str(self.turn_detection.get("type", "server_vad"))
        foreign = _OTHER_DETECTORS_KEYS.get(kind, frozenset())
        wanted: dict[str, object] = {"type": kind}
        if kind == "server_vad":
            wanted["silence_duration_ms"] = DEFAULT_SILENCE_MS
        wanted |= {"create_response": True, "interrupt_response": True}
        return wanted | {key: value for key, value in self.turn_detection.items() if key not in foreign}


_PCM = {"type": "audio/pcm", "rate": int(WIRE_RATE_HZ)}
_FIXED: dict[str, object] = {"type": "realtime", "audio": {"input": {"format": _PCM}, "output": {"format": _PCM}}}


def _merged(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both_objects = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(below, value) if both_objects else value  # type: ignore[arg-type]  # both_objects says so
    return merged

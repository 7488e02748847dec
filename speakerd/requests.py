"""What the owner asks the running daemon for: ``speakerd mute``, ``unmute``, ``stop``, ``wake``.

The socket they come by is ``host/control.py``; signing in has a desk of its own, ``sign_in_desk.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from speakerd.controller import Controller
from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.core.events import Device, Event, MuteChanged, StopRequested
from speakerd.core.state import Phase


class Part(Protocol):
    """A part of the daemon with a sound card."""

    def status(self) -> Mapping[str, Any]:
        """Return how it is; ``trouble`` says why it has no card, once it has looked for it."""


class Requests:
    """Does what the owner asks for, and answers with the status line. Thread: event loop.

    Args:
        controller: Owns the conversation.
        microphone: Without it nobody is listened to.
        loudspeaker: Nor without it.
        on_wake: Begins a conversation.
        on_mute: Keeps whether the owner wants to be heard; returns what is to be said where that fails.
    """

    def __init__(
        self,
        controller: Controller,
        *,
        microphone: Part,
        loudspeaker: Part,
        on_wake: Callable[[], None],
        on_mute: Callable[[bool], str | None],
    ) -> None:
        self._controller = controller
        self._parts = {Device.MICROPHONE: microphone, Device.LOUDSPEAKER: loudspeaker}
        self._on_wake = on_wake
        self._on_mute = on_mute

    @property
    def handlers(self) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """The commands of the control socket that are answered here."""
        return {
            "mute": lambda _request: self.mute(muted=True),
            "unmute": lambda _request: self.mute(muted=False),
            "stop": lambda _request: self._ask(StopRequested()),
            "wake": lambda _request: self.wake(),
        }

    def mute(self, *, muted: bool) -> dict[str, Any]:
        """Hear nothing from now on, over restarts too, or listen again."""
        answer = self._ask(MuteChanged(muted))
        trouble = self._on_mute(muted)
        return answer if trouble is None else {"line": f"{answer['line']}; {trouble}"}

    def wake(self) -> dict[str, Any]:
        """Listen as if the wake word had been said.

        Raises:
            SpeakerdError: nobody is listened to, because a card is not open yet (``wake-not-ready``) or not there
                (``wake-no-device``), the microphone is muted (``wake-muted``) or the budget is spent
                (``over-budget``); of the last three the room hears too.
        """
        lost = self._controller.state.lost
        troubles = {device: part.status()["trouble"] for device, part in self._parts.items() if device in lost}
        known = [f"no {device.value}: {trouble}" for device, trouble in troubles.items() if trouble is not None]
        if troubles and not known:
            sentence = f"not ready yet: {' and '.join(device.value for device in troubles)}; ask again in a moment"
            raise SpeakerdError("wake-not-ready", sentence, Remedy.RETRY)
        self._on_wake()
        if known:
            sentence = f"{'; '.join(known)}; speakerd devices lists what there is, and speakerd goes on looking"
            raise SpeakerdError("wake-no-device", sentence, Remedy.OPERATOR)
        state = self._controller.state
        if state.muted and state.phase is Phase.IDLE:
            raise SpeakerdError("wake-muted", "the microphone is muted: speakerd unmute", Remedy.OPERATOR)
        if state.over_budget and state.phase is Phase.IDLE:
            advice = "wait for tomorrow, or raise budget.daily_usd (then: systemctl reload speakerd)"
            sentence = f"today's budget is spent: {advice}"
            raise SpeakerdError("over-budget", sentence, Remedy.OPERATOR)
        return {"line": self._controller.status_line()}

    def _ask(self, event: Event) -> dict[str, Any]:
        self._controller.post(event)
        return {"line": self._controller.status_line()}

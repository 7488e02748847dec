"""Another configuration for parts that run: what is slow is made first, then each part is handed what is its own.

What differs, and when it may hold, is told in ``core/changes.py``; when this is done, in ``reload.py``. A part that was
handed all of a configuration does what it would do if it had been started with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from speakerd.accounts import Accounts
from speakerd.audio.loudspeaker import Loudspeaker
from speakerd.audio.microphone import Microphone
from speakerd.audio.mixer import Mixer
from speakerd.audio.notices import SpokenNotices
from speakerd.audio.spelling import SpelledCode
from speakerd.controller import Controller
from speakerd.core.changes import changes
from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.events import EchoMeasured
from speakerd.core.memory import Memory
from speakerd.core.settings import Settings
from speakerd.ears import Ears
from speakerd.echoes import Echoes
from speakerd.identity import Identity
from speakerd.parts import barge_in_of, canceller_of, limits_of, spec_of
from speakerd.realtime.endpoint import Endpoint
from speakerd.realtime.link import RealtimeLink
from speakerd.service_place import ServicePlace
from speakerd.sign_in_desk import SignInDesk
from speakerd.volume import Volume
from speakerd.wake.detector import Detector

_ENGINE = ("wake.models", "wake.engine", "wake.gate", "wake.noise_suppression")
_ECHO = ("audio.capture.", "audio.playback.device", "audio.echo_cancellation", "conversation.barge_in")
_PLACE = ("service.provider", "service.endpoint", "service.model")
_WHO = ("auth.", "service.provider")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a configuration says something about."""

    accounts: Accounts
    """What conversations cost."""

    controller: Controller
    """The conversation."""

    ears: Ears
    """The wake word."""

    echoes: Echoes
    """What is known of the echo."""

    microphone: Microphone
    """The one end of the sound path."""

    loudspeaker: Loudspeaker
    """The other."""

    volume: Volume
    """How loud that is."""

    voice: SpokenNotices
    """The sentences."""

    spelling: SpelledCode
    """The code of a sign-in, said aloud."""

    memory: Memory
    """What was said."""

    link: RealtimeLink
    """The session with the service."""

    place: ServicePlace
    """Where the service is."""

    desk: SignInDesk
    """Where people sign in."""

    be: Callable[[Settings], Identity]
    """Makes us somebody else to the service, and says who."""

    start: Callable[[Coroutine[Any, Any, None], str], object]
    """Runs something beside everything else, under a name."""


class Refit:
    """Hands configurations to parts. Thread: event loop.

    Args:
        parts: They run already.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._endpoint: Endpoint | None = None  # of the last configuration that was made ready

    async def make(self, running: Settings, wanted: Settings) -> Detector | None:
        """Make what another configuration needs and what may fail; nothing of it is used yet.

        Returns:
            Another wake word engine, where it takes one: also where the owner has replaced a model's file.

        Raises:
            SpeakerdError: a wake word model cannot be used, or the service's address cannot.
        """
        keys = _keys(running, wanted)
        another = _touches(keys, _ENGINE) or self._parts.ears.is_outdated(wanted.wake)
        engine = await asyncio.to_thread(self._parts.ears.make_engine, wanted.wake) if another else None
        if _touches(keys, _PLACE):
            self._endpoint = await self._parts.place.reach(wanted)
        return engine

    def fit(self, before: Settings, after: Settings, detector: Detector | None) -> None:
        """Have every part do what another configuration says, at once.

        What keeps a sound card or a session waiting comes as soon as these are free.

        Args:
            before: What holds.
            after: What shall hold.
            detector: What ``make`` has made for it.
        """
        parts, keys = self._parts, _keys(before, after)
        if _touches(keys, ("budget.", "service.")):
            parts.accounts.use(after)
        parts.ears.use(after.wake, detector)
        parts.memory.use(after.conversation.memory_minutes)
        parts.voice.use(after.assistant.language)
        parts.spelling.use(after.assistant.language)
        self._fit_link(after, keys)
        parts.controller.use(limits_of(after))
        self._fit_sound(after, keys)

    def outdate(self) -> None:
        """Have people told that what they have changed is wrong and does not hold."""
        controller = self._parts.controller
        controller.use(replace(controller.limits, is_outdated=True))

    def tidy(self, settings: Settings) -> None:
        """End what nothing of this configuration uses."""
        self._parts.place.tidy(settings)

    def _fit_link(self, after: Settings, keys: Collection[str]) -> None:
        parts = self._parts
        endpoint = self._endpoint if _touches(keys, _PLACE) else None
        identity = None
        if _touches(keys, _WHO):
            identity = parts.be(after)
            parts.desk.use(after.auth, identity.worker, identity.keeper)
        parts.link.use(
            spec_of(after), endpoint=endpoint, credentials=None if identity is None else identity.credentials
        )
        if endpoint is not None:
            parts.start(parts.link.warm(), "warm")

    def _fit_sound(self, after: Settings, keys: Collection[str]) -> None:
        parts, audio = self._parts, after.audio
        if _touches(keys, _ECHO):
            measured = limits_of(after).barge_in_measured
            parts.echoes.use(audio, measured_counts=measured)
            parts.microphone.use_echo(canceller_of(audio), parts.echoes.probe)
            parts.link.configure_turns(interrupt=barge_in_of(after) is BargeIn.SPEECH)
            # What was measured with other cards may not cut a reply any more; heeded only where measurement counts.
            parts.controller.post(EchoMeasured(EchoFigures(), BargeIn.WAKE_WORD))
        if _touches(keys, ("audio.", "turn_detection.")):
            parts.microphone.use(
                device=audio.capture.device,
                channel=audio.capture.channel,
                pause_ms=after.turn_detection.silence_duration_ms,
            )
        parts.loudspeaker.use(device=audio.playback.device, earcons=audio.earcons)
        if _touches(keys, ("audio.playback.",)):
            parts.volume.use(Mixer(audio.playback.device, audio.playback.mixer), audio.playback.volume)


def _keys(before: Settings, after: Settings) -> frozenset[str]:
    return frozenset(change.key for change in changes(before, after))


def _touches(keys: Collection[str], beginnings: tuple[str, ...]) -> bool:
    return any(key.startswith(beginnings) for key in keys)

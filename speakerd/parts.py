"""What the configuration makes of each part: the service's place, who we are to it, a session, the core's limits.

The parts themselves are put together in ``sound_parts.py``, ``service_parts.py`` and ``chat.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from speakerd.audio.echo import EchoCanceller
from speakerd.audio.loudspeaker import Loudspeaker
from speakerd.audio.notices import FOLDER, SpokenNotices
from speakerd.audio.spelling import SpelledCode
from speakerd.core.echo_path import BargeIn
from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.core.functions import CONVERSATION_FUNCTIONS
from speakerd.core.settings import Audio, Settings
from speakerd.core.state import Limits
from speakerd.realtime.endpoint import Endpoint
from speakerd.realtime.spec import SessionSpec


def endpoint_of(settings: Settings, embedded_url: str | None = None) -> Endpoint:
    """Return where the service is, by configuration.

    Args:
        settings: The configuration.
        embedded_url: Where the embedded service that we started ourselves listens.
    """
    service = settings.service
    return Endpoint.from_service(service.provider, service.endpoint or embedded_url, service.model)


def spec_of(settings: Settings) -> SessionSpec:
    """Return how we want a session to be, by configuration."""
    assistant, detection = settings.assistant, settings.turn_detection
    if detection.type == "server_vad":
        turns: dict[str, object] = {
            "type": "server_vad",
            "threshold": detection.threshold,
            "prefix_padding_ms": detection.prefix_padding_ms,
            "silence_duration_ms": detection.silence_duration_ms,
        }
    else:
        turns = {"type": "semantic_vad", "eagerness": detection.eagerness}
    turns |= {"create_response": True, "interrupt_response": barge_in_of(settings) is BargeIn.SPEECH}
    return SessionSpec(
        voice=assistant.voice,
        instructions=assistant.instructions,
        speed=assistant.speed,
        language=assistant.language,
        transcription_model=settings.service.transcription,
        turn_detection=turns,
        noise_reduction=None if detection.noise_reduction == "none" else detection.noise_reduction,
        extra=settings.service.session,
        tools=CONVERSATION_FUNCTIONS,
    )


def barge_in_of(settings: Settings) -> BargeIn:
    """Return what may cut a reply, to begin with: by choice, or the wake word until the echo has been measured."""
    choice = settings.conversation.barge_in
    return BargeIn.WAKE_WORD if choice == "auto" else BargeIn(choice)


def limits_of(settings: Settings) -> Limits:
    """Return what ``step`` may know of the configuration."""
    return Limits(
        words=tuple(Path(name).stem for name in settings.wake.models),
        barge_in=barge_in_of(settings),
        barge_in_measured=settings.conversation.barge_in == "auto" and settings.audio.echo_cancellation != "off",
        follow_up_s=settings.conversation.follow_up_s,
        max_turns=settings.conversation.max_turns,
    )


def what_holds(settings: Settings) -> dict[str, object]:
    """Return the few settings that people ask for first, for the status; no secret is among them."""
    service = settings.service
    return {
        "provider": service.provider,
        "model": service.model,
        "voice": settings.assistant.voice,
        "language": settings.assistant.language,
        "sign_in": settings.auth.method,
        "follow_up_s": settings.conversation.follow_up_s,
        "transcripts": settings.log.transcripts,
    }


def canceller_of(audio: Audio) -> EchoCanceller | None:
    """Return what takes our own voice out of the microphone, by configuration; None: nothing shall."""
    return None if audio.echo_cancellation == "off" else EchoCanceller()


def voice_of(settings: Settings, loudspeaker: Loudspeaker, own: Path | None) -> SpokenNotices:
    """Return what says that something is wrong.

    Args:
        settings: The configuration.
        loudspeaker: Where it is said.
        own: The folder of the owner's own sentences, if there may be any.
    """
    return SpokenNotices(
        play=loudspeaker.play_notice,
        chime=loudspeaker.play_earcon,
        language=settings.assistant.language,
        hour=lambda: time.localtime().tm_hour,
        folders=_folders(own),
    )


def spelling_of(settings: Settings, loudspeaker: Loudspeaker, own: Path | None) -> SpelledCode:
    """Return what says an address and the code for it aloud.

    Args:
        settings: The configuration.
        loudspeaker: Where they are said.
        own: The folder of the owner's own sentences, if there may be any.
    """
    return SpelledCode(
        play=loudspeaker.play_notice,
        chime=loudspeaker.play_earcon,
        language=settings.assistant.language,
        folders=_folders(own),
    )


def _folders(own: Path | None) -> tuple[Path, ...]:
    return (FOLDER,) if own is None else (own, FOLDER)


@contextlib.asynccontextmanager
async def service_of(
    settings: Settings, on_ended: Callable[[SpeakerdError], None] | None = None
) -> AsyncIterator[Endpoint]:
    """Give the service's place; start the embedded service when the configuration leaves its place to us.

    Args:
        settings: The configuration.
        on_ended: Told when the embedded service that we started ends by itself.
    """
    if settings.service.provider != "embedded" or settings.service.endpoint is not None:
        yield endpoint_of(settings)
        return
    from speakerd.embedded.spawn import spawn

    async with spawn("auto") as service, asyncio.TaskGroup() as group:

        async def watch() -> None:
            code = await service.wait()
            if on_ended is not None:
                on_ended(SpeakerdError("embedded-ended", f"the embedded service ended with {code}", Remedy.RETRY))

        watching = group.create_task(watch(), name="embedded-watch")
        try:
            yield endpoint_of(settings, service.url)
        finally:
            watching.cancel()

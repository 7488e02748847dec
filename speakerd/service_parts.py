"""The parts that deal with the service: who we are to it, the session, what was said; and the lines between them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from speakerd.accounts import Accounts
from speakerd.core.events import Event, SignInChanged
from speakerd.core.memory import Memory
from speakerd.core.settings import Settings
from speakerd.core.sign_in import SignInState
from speakerd.core.state import Phase, State
from speakerd.core.units import ItemId
from speakerd.identity import Identity
from speakerd.parts import spec_of
from speakerd.ports import Trace
from speakerd.realtime.endpoint import Endpoint
from speakerd.realtime.link import RealtimeLink
from speakerd.sign_in_desk import SignInDesk
from speakerd.sound_parts import SoundParts
from speakerd.text_desk import TextDesk

log = logging.getLogger("speakerd.app")

Start = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Runs a part until the daemon ends, under a name."""


class ServiceParts:
    """Everything between the conversation and the service. Thread: event loop.

    Args:
        settings: The configuration.
        environment: Of the process.
        endpoint: Where the service is.
        sound: Where replies sound.
        accounts: What conversations cost.
        post: Takes what happens.
        state: Asks where the conversation is.
        start: Runs a part until the daemon ends.
        tells_transcripts: Whether the journal may have what is said.
        trace: The diary.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        endpoint: Endpoint,
        *,
        sound: SoundParts,
        accounts: Accounts,
        post: Callable[[Event], None],
        state: Callable[[], State],
        start: Start,
        tells_transcripts: Callable[[], bool],
        trace: Trace,
    ) -> None:
        self._environment = environment
        self._sound = sound
        self._accounts = accounts
        self._post = post
        self._state = state
        self._start = start
        self._tells_transcripts = tells_transcripts
        self.identity = self._make_identity(settings)
        self.memory = Memory(settings.conversation.memory_minutes)
        self.link = self._make_link(settings, endpoint, trace)
        self.texts = self._make_texts()
        self.desk = self._make_desk(settings)

    def run(self, hearing: Callable[[], Awaitable[None]]) -> None:
        """Start what runs until the daemon ends.

        Args:
            hearing: Returns when what is said is heard; only then a sign-in is begun, which takes a second of a core.
        """

        async def sign_in() -> None:
            await hearing()
            await self.identity.run()

        self._start(self.link.run(), "link")
        self._being = self._start(sign_in(), "identity")
        self._start(self.desk.run(), "sign-in desk")

    def be(self, settings: Settings) -> Identity:
        """Be who another configuration says; nothing is known of that sign-in yet, as after a start."""
        self.identity.close()
        self._being.cancel()
        self._post(SignInChanged(SignInState.OK, usable=True))
        self.identity = self._make_identity(settings)
        self._being = self._start(self.identity.run(), "identity")
        return self.identity

    # --- the parts ---------------------------------------------------------------------------------------------------

    def _make_identity(self, settings: Settings) -> Identity:
        call_at = asyncio.get_running_loop().call_at
        return Identity(settings, self._environment, on_change=self._post, call_at=call_at)

    def _make_link(self, settings: Settings, endpoint: Endpoint, trace: Trace) -> RealtimeLink:
        return RealtimeLink(
            endpoint=endpoint,
            credentials=self.identity.credentials,
            spec=spec_of(settings),
            on_event=self._post,
            on_audio=self._sound.loudspeaker.enqueue,
            on_response_audio_done=self._sound.loudspeaker.end_of_audio,
            on_transcript=self._note_transcript,
            on_committed=lambda item_id: self.memory.expect(item_id, time.monotonic()),
            on_cut=self.memory.cut,
            on_usage=self._accounts.note_usage,
            on_transcription_usage=self._accounts.note_transcription,
            on_asking_again=self.memory.withdraw,
            seeds=lambda: self.memory.recent(time.monotonic()),
            now=time.monotonic,
            trace=trace,
        )

    def _make_texts(self) -> TextDesk:
        return TextDesk(
            self._post,
            self._state,
            refresh=self._accounts.refresh,
            expect=lambda item_id: self.memory.expect(item_id, time.monotonic()),
            remember=lambda item_id, text: self.memory.said("user", text, time.monotonic(), item_id),
        )

    def _make_desk(self, settings: Settings) -> SignInDesk:
        return SignInDesk(
            settings.auth,
            self.identity.worker,
            self.identity.keeper,
            speak=self._sound.spelling.say,
            hush=self._hush_code,
            is_muted=lambda: self._state().muted,
        )

    def _note_transcript(self, role: str, item_id: str, text: str) -> None:
        self.memory.said(role, text, time.monotonic(), ItemId(item_id))
        self.texts.on_transcript(role, text)
        if self._tells_transcripts():
            log.info("%s: %s", role, text)

    def _hush_code(self) -> None:
        if self._state().phase is Phase.IDLE:  # else what plays is a reply
            self._sound.loudspeaker.flush()

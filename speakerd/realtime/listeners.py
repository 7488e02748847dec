"""Who is told what a session comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakerd.core.events import Event
from speakerd.core.units import ItemId, Ms, ResponseId
from speakerd.ports import Trace
from speakerd.realtime.usage import TranscriptionUsage, Usage

if TYPE_CHECKING:
    from speakerd.realtime.outcome import Outcome


def nobody(*_said: object) -> None:
    """Hear what nobody asked for."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what. Called on the event loop; they must return at once."""

    on_event: Callable[[Event], None]
    """Core events."""

    on_audio: Callable[[ResponseId, ItemId, bytes], None]
    """Reply audio that still counts."""

    trace: Trace
    """The diary."""

    on_response_audio_done: Callable[[ResponseId], None] = nobody
    """A response will bring no more audio, however it ended; told just before its ``ResponseDone``."""

    on_transcript: Callable[[str, str, str], None] = nobody
    """Role, item and text of what somebody said."""

    on_committed: Callable[[ItemId], None] = nobody
    """The user has said something: its item, whose words may follow, even after the reply's."""

    on_cut: Callable[[ItemId, Ms, Ms], None] = nobody
    """A reply's item was cut: what was heard of it, and how long it was."""

    on_usage: Callable[[Usage], None] = nobody
    """What a response took."""

    on_transcription_usage: Callable[[TranscriptionUsage], None] = nobody
    """What writing down an utterance of the user took."""

    def tell(self, outcome: Outcome, still_wanted: Callable[[], bool]) -> None:
        """Tell what an event came to; a listener may close the link, and then hears no more core events of it."""
        if outcome.audio is not None:
            self.on_audio(outcome.audio.response_id, outcome.audio.item_id, outcome.audio.pcm)
        if outcome.committed is not None:
            self.on_committed(outcome.committed)
        if outcome.transcript is not None:
            self.on_transcript(outcome.transcript.role, outcome.transcript.item_id, outcome.transcript.text)
        if outcome.usage is not None:
            self.on_usage(outcome.usage)
        if outcome.transcription_usage is not None:
            self.on_transcription_usage(outcome.transcription_usage)
        if outcome.audio_done is not None:
            self.on_response_audio_done(outcome.audio_done)
        for event in (*outcome.calls, outcome.event):
            if event is not None and still_wanted():
                self.on_event(event)

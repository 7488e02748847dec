"""The loudspeaker's side of the loop: from the session's deltas to the playback thread's ring.

A reply arrives much faster than it is spoken, so it waits in a backlog without bound, while the ring to the thread
stays short: what is in the ring and in the card must be thrown away when somebody interrupts. Nothing here blocks the
reader of the socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from speakerd.audio.card import BACK_OFF_S, Card
from speakerd.audio.doorbell import Doorbell
from speakerd.audio.output import Output
from speakerd.audio.pcm_types import PlaybackPcm
from speakerd.audio.playback import Playback
from speakerd.audio.reference import EchoReference
from speakerd.core.actions import Earcon
from speakerd.core.backlog import Backlog, DownlinkGate, Piece
from speakerd.core.earcons import earcon_pcm
from speakerd.core.events import AudioStarted, Device, Event, Heard, PlaybackDrained
from speakerd.core.playhead import Playhead
from speakerd.core.units import PERIOD_MS, WIRE_RATE_HZ, ItemId, ResponseId, frames_to_ms, ms_to_frames
from speakerd.ports import Trace

PIECE_FRAMES = ms_to_frames(PERIOD_MS, WIRE_RATE_HZ)
"""What is handed over at once."""

START_FRAMES = ms_to_frames(40, WIRE_RATE_HZ)
"""How much of a reply must be there before it begins (guess: less than any delta of the service)."""

START_PATIENCE_S = 0.06
"""How long a shorter beginning waits for more (guess)."""

REST_AFTER_S = 2.0
"""After this long a quiet card is let go to sleep (guess: longer than a pause within a reply)."""

TIMER_MIN_S = 0.01
"""No timer is armed for sooner: a card's counter is not finer (guess)."""


class Loudspeaker:
    """The loudspeaker, and the gate from the session to it. Implements ``ports.Loudspeaker``. Thread: event loop.

    Args:
        device: ALSA's name of the card.
        open_pcm: Opens the card; may block.
        on_event: Takes ``DeviceFound``, ``DeviceLost``, ``AudioStarted`` and ``PlaybackDrained``.
        now: The monotonic clock.
        trace: The diary.
        earcons: Whether short sounds are played at all.
        back_off_s: First and longest wait before the card is opened again.

    Attributes:
        reference: What is played, for the echo canceller.
    """

    def __init__(
        self,
        *,
        device: str,
        open_pcm: Callable[[str], PlaybackPcm],
        on_event: Callable[[Event], None],
        now: Callable[[], float],
        trace: Trace,
        earcons: bool,
        back_off_s: tuple[float, float] = BACK_OFF_S,
    ) -> None:
        self._device = device
        self._on_event = on_event
        self._now = now
        self._trace = trace
        self._earcons = earcons
        self.reference = EchoReference(now)
        self._gate = DownlinkGate()
        self._backlog = Backlog()
        self._playhead = Playhead()
        self._first_frames: deque[tuple[ResponseId, int]] = deque()
        self._output: Output | None = None
        self._settling = False
        self._flowing = False  # a stretch of playing has begun
        self._reply_in_stretch = False
        self._patience_ends_s = 0.0
        self._quiet_since_s = now()
        self._timer: asyncio.TimerHandle | None = None
        self._late_bytes = 0
        self._card = Card(
            Device.LOUDSPEAKER,
            open_pcm=lambda: open_pcm(device),
            begin=self._begin,
            end=self._end,
            on_event=on_event,
            now=now,
            back_off_s=back_off_s,
        )

    async def run(self) -> None:
        """Play, and look for the card whenever it is not there.

        Ends: by cancellation only; the card is closed then.
        """
        await self._card.run()

    # --- the gate ----------------------------------------------------------------------------------------------------

    def accept(self, response_id: ResponseId) -> None:
        """Let audio of this response through."""
        self._gate.accept(response_id)

    def reject(self, response_id: ResponseId) -> None:
        """Drop audio of this response from now on."""
        self._gate.reject(response_id)

    def enqueue(self, response_id: ResponseId, item_id: ItemId, pcm: bytes) -> None:
        """Take in wire audio of a reply item; dropped when its response is not accepted. Never blocks."""
        gate = self._gate.of(response_id)
        if gate is None:
            self._late_bytes += len(pcm)
            return
        frames = np.frombuffer(pcm, "<i2", count=len(pcm) // 2)
        if not len(frames):
            return
        if not self._backlog:
            self._patience_ends_s = self._now() + START_PATIENCE_S
        self._backlog.append(Piece(item_id, response_id, frames))
        self._playhead.received(item_id, len(frames))
        gate.complete = False  # an item was, but the response has another
        if not gate.announced:
            gate.announced = True
            self._on_event(AudioStarted(response_id))
        self._advance()

    def end_of_audio(self, response_id: ResponseId) -> None:
        """Take note that nothing more of this response will come, so that running dry is its end and no starvation."""
        gate = self._gate.of(response_id)
        if gate is not None:
            gate.complete = True
            self._advance()

    def play_earcon(self, earcon: Earcon) -> None:
        """Play a short sound, before anything that is waiting; without a card it is dropped, not saved up."""
        if not self._earcons or self._output is None:
            return
        self._backlog.put_first(earcon_pcm(earcon))
        self._trace.mark("earcon", earcon=earcon.value)
        self._advance()

    def flush(self) -> None:
        """Silence at once; what was waiting is gone."""
        output = self._output
        audible = output is not None and not (output.flushing or output.finished)
        self._forget()
        self._trace.mark("flush", audible=audible)
        if output is not None and audible:
            self._settling = True
            output.flush()

    def unheard(self) -> tuple[Heard, ...]:
        """Return the reply items not yet wholly heard, in playing order, with what was heard of each."""
        self._note_played()
        return self._playhead.unheard()

    @property
    def is_playing(self) -> bool:
        """Whether anything is audible or waiting to be."""
        output = self._output
        return bool(self._backlog) or (output is not None and not self._settling and not output.finished)

    def status(self) -> dict[str, Any]:
        """Return what there is to know, as plain data."""
        output, given = self._output, self._card.format
        state = output.playback.state if output else None
        return {
            "device": self._device,
            "found": given is not None,
            "trouble": self._card.trouble,
            "losses": self._card.losses,
            "rate_hz": given.rate_hz if given else None,
            "channels": given.channels if given else None,
            "sample_format": given.sample_format if given else None,
            "period_frames": given.period_frames if given else None,
            "buffer_frames": given.buffer_frames if given else None,
            "xruns": state.xruns if state else 0,
            "starvations": state.starvations if state else 0,
            "playing": self.is_playing,
            "resting": output.resting if output else False,
            "backlog_ms": frames_to_ms(self._backlog.frames, WIRE_RATE_HZ),
            "late_bytes": self._late_bytes,
            "realignments": self.reference.realignments,
        }

    # --- the card ----------------------------------------------------------------------------------------------------

    def _begin(self, pcm: PlaybackPcm) -> Playback:
        loop = asyncio.get_running_loop()
        bell = Doorbell(loop, self._advance)

        def ring_when_wanted() -> None:  # Thread: playback
            # Waking the loop costs more than what it does then, and in the middle of a reply half a ring is plenty.
            if self._settling or output.low:
                bell.ring()

        output = Output(pcm, ring_when_wanted, self._now)
        self.reference.attach(output.reference, output.format, lambda: output.playback.state)
        self._output = output
        self._settling = False
        self._quiet_since_s = self._now()
        loop.call_soon(self._advance)
        return output.playback

    def _end(self) -> None:
        """The card is gone, and with it what was being said: half a sentence after a minute helps nobody."""
        if self._output is not None:
            self._output = None
            self._forget()
        self.reference.detach()
        if self._timer is not None:
            self._timer.cancel()

    def _forget(self) -> None:
        self._backlog.clear()
        self._playhead.flush()
        self._first_frames.clear()
        self._flowing = self._reply_in_stretch = False
        self._quiet_since_s = self._now()

    # --- playing -----------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Do what is due: after a doorbell, a timer, or when something came to be played."""
        output = self._output
        if output is None or output.flushing:
            return  # the doorbell rings when the flush is complete
        if self._settling:
            self._settling = False
            output.settle()
            self.reference.realign()
            self._trace.mark("silent")
        self._note_played()
        self._top_up(output)
        drained = self._note_end(output)
        self._arm(output)
        if drained:
            self._trace.mark("drained")
            self._on_event(PlaybackDrained())

    def _note_played(self) -> None:
        output = self._output
        if output is None or self._settling:
            return
        played = output.played_frames()
        self._playhead.heard(played)
        while self._first_frames and self._first_frames[0][1] < played:
            self._trace.mark("audible", response_id=self._first_frames.popleft()[0])

    def _top_up(self, output: Output) -> None:
        """Fill the ring from the backlog."""
        if not self._flowing and not self._may_begin():
            return
        wrote = False
        while self._backlog and output.room_frames >= PIECE_FRAMES:
            self._hand_over(output, self._backlog.take(PIECE_FRAMES))
            wrote = True
        ends = not self._backlog and self._gate.all_complete
        if not self._backlog and self._flowing and (ends or output.dry):
            self._playhead.handed_over(None, output.pad())
        output.playback.content_ends = ends
        if wrote and output.resting:
            output.wake()
            self.reference.realign()

    def _may_begin(self) -> bool:
        """Decide whether a new stretch begins: not on the first crumbs of a reply, lest it stops again at once."""
        head = self._backlog.head
        if head is None:
            return False
        gate = self._gate.of(head.response_id)
        return (
            head.item_id is None
            or self._backlog.frames >= START_FRAMES
            or (gate is not None and gate.complete)
            or self._now() >= self._patience_ends_s
        )

    def _hand_over(self, output: Output, piece: Piece) -> None:
        """Move one piece on into the ring."""
        self._flowing = True
        if piece.response_id is not None:
            self._reply_in_stretch = True
            gate = self._gate.of(piece.response_id)
            if gate is not None and not gate.traced:
                gate.traced = True
                self._first_frames.append((piece.response_id, self._playhead.handed_over_frames))
        output.write(piece.pcm)
        self._playhead.handed_over(piece.item_id, len(piece.pcm))

    def _note_end(self, output: Output) -> bool:
        """Close a stretch that has come out; returns whether it held a reply."""
        if not self._flowing or self._backlog or not output.finished:
            return False
        self._flowing = False
        self._quiet_since_s = self._now()
        drained, self._reply_in_stretch = self._reply_in_stretch, False
        if drained:
            self._gate.end_stretch()
        return drained

    def _arm(self, output: Output) -> None:
        """Come back when the next thing is due that no doorbell tells."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_s = self._due_s(output)
        if due_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(TIMER_MIN_S, due_s), self._advance)

    def _due_s(self, output: Output) -> float | None:
        now_s = self._now()
        if self._flowing:
            first = (
                (self._first_frames[0][1] + 1 - output.played_frames()) / WIRE_RATE_HZ if self._first_frames else None
            )
            end = output.left_s if not self._backlog else None
            return min((due for due in (first, end) if due is not None), default=None)
        if self._backlog:
            return self._patience_ends_s - now_s
        if output.resting:
            return None
        if now_s - self._quiet_since_s < REST_AFTER_S:
            return self._quiet_since_s + REST_AFTER_S - now_s
        output.rest()
        return None

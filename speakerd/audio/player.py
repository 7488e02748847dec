"""Playing, stretch by stretch: when a reply begins, how the ring to the thread is kept full, when all has come out.

A stretch is what is heard without an end between: it begins when enough of a reply has come, for what the network's
jitter asks, and ends when everything has come out of the card. A reply that runs dry in the middle waits for as much
again. Which responses may be played, and the card, are the loudspeaker's business; what sounds how is the mix's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import numpy as np

from speakerd.audio.echo import Pcm
from speakerd.audio.output import Output
from speakerd.audio.reference import EchoReference
from speakerd.core.backlog import DownlinkGate, Piece
from speakerd.core.events import Event, PlaybackDrained
from speakerd.core.fades import FADE_FRAMES
from speakerd.core.jitter import DELAY_MAX_S, PlayoutDelay
from speakerd.core.mix import Block, Mix, Supply
from speakerd.core.pcm import SILENCE_DBFS, rms_dbfs
from speakerd.core.playhead import Playhead
from speakerd.core.units import PERIOD_MS, WIRE_RATE_HZ, ResponseId, ms_to_frames
from speakerd.ports import Trace

PIECE_FRAMES = ms_to_frames(PERIOD_MS, WIRE_RATE_HZ)
"""What is handed over at once."""

START_FRAMES = ms_to_frames(40, WIRE_RATE_HZ)
"""How much of a reply must be there before it begins (guess: less than any delta of the service).

On a resting card it is more: the service's first delta of 100 ms is no longer than what such a card takes at once, and
the reply began with a gap of 4 to 14 ms (measured on the virtual card) until the second one was waited for."""

START_PATIENCE_S = 0.08
"""How long a shorter beginning waits for more: so long, and 100 ms that come in real time leave no gap before the next
(measured on the virtual card: 60 ms left one in every such reply)."""

AHEAD_FRAMES = ms_to_frames(1000 * DELAY_MAX_S, WIRE_RATE_HZ)
"""With so much there, jitter is no reason to wait any longer: no wait would have gained more (follows)."""

RECENT_BLOCKS = 5
"""A tenth of a second of what was handed over last, for whoever asks how loud it is (chosen: as the microphone's)."""

REST_AFTER_S = 2.0
"""After this long a quiet card is let go to sleep (guess: longer than a pause within a reply)."""

TIMER_MIN_S = 0.01
"""No timer is armed for sooner: a card's counter is not finer (guess)."""


class Player:
    """Moves audio from the mix to the card while there is one, and knows what was heard of it. Thread: event loop.

    Args:
        gate: Knows which responses have more to come.
        reference: Set anew whenever the card falls silent or begins.
        on_event: Takes ``PlaybackDrained``.
        on_sound: Called when a card that rested begins to play.
        now: The monotonic clock.
        trace: The diary.

    Attributes:
        mix: What waits.
        output: The open card; None: there is none.
        settling: A flush is on its way to the card.
    """

    def __init__(
        self,
        *,
        gate: DownlinkGate,
        reference: EchoReference,
        on_event: Callable[[Event], None],
        now: Callable[[], float],
        trace: Trace,
        on_sound: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_sound = on_sound
        self._gate = gate
        self._reference = reference
        self._on_event = on_event
        self._now = now
        self._trace = trace
        self._playhead = Playhead()
        self._delay = PlayoutDelay()
        self._first_frames: deque[tuple[ResponseId, int]] = deque()
        self._flowing = False  # a stretch has begun
        self._reply_in_stretch = False
        self._waiting_since_s = 0.0
        self._quiet_since_s = now()
        self._timer: asyncio.TimerHandle | None = None
        self._recent: deque[Pcm] = deque(maxlen=RECENT_BLOCKS)
        self.mix = Mix()
        self.output: Output | None = None
        self.settling = False

    @property
    def is_playing(self) -> bool:
        """Whether anything is audible or waiting to be."""
        output = self.output
        return bool(self.mix) or (output is not None and not self.settling and not output.finished)

    @property
    def delay_s(self) -> float:
        """How long a reply waits for more of it, by what was learned of the network."""
        return self._delay.delay_s

    @property
    def level_dbfs(self) -> float:
        """How loud is what was handed over last, up to 0.3 s ahead of what is heard. Reckoned only when asked for."""
        return rms_dbfs(np.concatenate(self._recent)) if self.is_playing and self._recent else SILENCE_DBFS

    def begin(self, output: Output) -> None:
        """Play on a card that was opened."""
        self.output = output
        self.settling = False
        self._quiet_since_s = self._now()

    def end(self) -> None:
        """Take note that the card is gone, and with it what was being said: half a sentence later helps nobody."""
        if self.output is not None:
            self.output = None
            self.settling = False
            self._forget()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def enqueue(self, piece: Piece) -> None:
        """Take in audio of a reply."""
        now_s = self._now()
        if not self.mix.reply_frames:
            self._waiting_since_s = now_s
        self._delay.arrived(piece.response_id, len(piece.pcm), now_s)
        self.mix.append(piece)
        self._playhead.received(piece.item_id, len(piece.pcm))

    def flush(self) -> None:
        """Silence at once; what was waiting is gone."""
        output = self.output
        audible = output is not None and not (output.flushing or output.finished)
        self._forget()
        self._trace.mark("flush", audible=audible)
        if output is not None and audible:
            self.settling = True
            output.flush()
        elif output is not None and not output.flushing:
            output.settle()  # all has come out: the card is counted from zero again, as the playhead is

    def note_played(self) -> Playhead:
        """Look at the card, and return what was heard by now."""
        output = self.output
        if output is not None and not self.settling:
            played = output.played_frames()
            self._playhead.heard(played)
            while self._first_frames and self._first_frames[0][1] < played:
                self._trace.mark("audible", response_id=self._first_frames.popleft()[0])
        return self._playhead

    def advance(self) -> None:
        """Do what is due: after a doorbell, a timer, or when something came to be played."""
        output = self.output
        if output is None or output.flushing:
            return  # the doorbell rings when the flush is complete
        if self.settling:
            self.settling = False
            output.settle()
            self._reference.realign()
            self._trace.mark("silent")
        self.note_played()
        self._top_up(output)
        drained = self._note_end(output)
        self._arm(output)
        if drained:
            self._trace.mark("drained")
            self._on_event(PlaybackDrained())

    def _forget(self) -> None:
        self.mix.clear()
        self._playhead.flush()
        self._first_frames.clear()
        self._flowing = self._reply_in_stretch = False
        self._quiet_since_s = self._now()

    def _top_up(self, output: Output) -> None:
        """Fill the ring from the mix."""
        wrote = False
        while output.room_frames >= PIECE_FRAMES + FADE_FRAMES:
            block = self.mix.take(PIECE_FRAMES, self._supply(output))
            if block is None:
                break
            self._hand_over(output, block)
            wrote = True
        if self._flowing and not self.mix:
            self._playhead.handed_over(None, output.pad())
        output.playback.content_ends = not self.mix and self._gate.all_complete
        if wrote and output.resting:
            self._on_sound()
            output.wake()
            self._reference.realign()

    def _supply(self, output: Output) -> Supply:
        """Decide what of the replies may go: not the first crumbs, and the last frames only when they are the last."""
        if not self.mix.speaking and not self._may_begin(output):
            return Supply.WAITING
        starving = self.mix.reply_frames <= FADE_FRAMES and output.dry
        return Supply.ENDING if starving or self._gate.all_complete else Supply.FLOWING

    def _may_begin(self, output: Output) -> bool:
        """Decide whether a reply begins, or goes on after it ran dry: not if it would stop again at once."""
        gate = self._gate.of(self.mix.next_reply)
        if gate is not None and gate.complete:
            return True
        ready = self.mix.reply_frames + output.waiting_frames
        waited_s = self._now() - self._waiting_since_s
        enough = max(START_FRAMES, output.greedy_frames + FADE_FRAMES)
        return (ready >= enough or waited_s >= START_PATIENCE_S) and (
            ready >= AHEAD_FRAMES or waited_s >= self._delay.delay_s
        )

    def _hand_over(self, output: Output, block: Block) -> None:
        """Move one block on into the ring."""
        self._flowing = True
        for span in block.spans:
            if span.response_id is not None:
                self._note_reply(span.response_id)
            self._playhead.handed_over(span.item_id, span.frames)
        output.write(block.pcm)
        self._recent.append(block.pcm)

    def _note_reply(self, response_id: ResponseId) -> None:
        self._reply_in_stretch = True
        gate = self._gate.of(response_id)
        if gate is not None and not gate.traced:
            gate.traced = True
            self._first_frames.append((response_id, self._playhead.handed_over_frames))

    def _note_end(self, output: Output) -> bool:
        """Close a stretch that has come out; returns whether it held a reply."""
        if not self._flowing or self.mix or not output.finished:
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
            self._timer = loop.call_later(max(TIMER_MIN_S, due_s), self.advance)

    def _due_s(self, output: Output) -> float | None:
        now_s = self._now()
        due_s = []
        if self.mix.reply_frames and not self.mix.speaking:
            due_s.append(self._waiting_since_s + max(START_PATIENCE_S, self._delay.delay_s) - now_s)
        if self._flowing and self._first_frames:
            due_s.append((self._first_frames[0][1] + 1 - output.played_frames()) / WIRE_RATE_HZ)
        if self._flowing and not self.mix:
            due_s.append(output.left_s)
        if self.mix.speaking and not self._gate.all_complete:
            due_s.append(output.wet_s)
        if due_s or self.mix or self._flowing or output.resting:
            return min(due_s, default=None)
        if now_s - self._quiet_since_s < REST_AFTER_S:
            return self._quiet_since_s + REST_AFTER_S - now_s
        output.rest()
        return None

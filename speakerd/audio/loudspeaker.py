"""The loudspeaker's side of the loop: from the session's deltas to the playback thread's ring.

A reply arrives much faster than it is spoken, so it waits in a backlog without bound, while the ring to the thread
stays short: what is in the ring and in the card must be thrown away when somebody interrupts. Nothing here blocks the
reader of the socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.audio.card import BACK_OFF_S, Card
from speakerd.audio.doorbell import Doorbell
from speakerd.audio.output import Output
from speakerd.audio.pcm_types import PlaybackPcm
from speakerd.audio.playback import Playback
from speakerd.audio.player import Player
from speakerd.audio.reference import EchoReference
from speakerd.core.actions import Earcon
from speakerd.core.backlog import DownlinkGate, Piece
from speakerd.core.earcons import earcon_pcm
from speakerd.core.events import AudioStarted, Device, Event, Heard
from speakerd.core.fades import faded
from speakerd.core.units import WIRE_RATE_HZ, ItemId, ResponseId, frames_to_ms
from speakerd.ports import Trace


class Loudspeaker:
    """The loudspeaker, and the gate from the session to it. Implements ``ports.Loudspeaker``. Thread: event loop.

    Args:
        device: ALSA's name of the card.
        open_pcm: Opens the card; may block.
        on_event: Takes ``DeviceFound``, ``DeviceLost``, ``AudioStarted`` and ``PlaybackDrained``.
        now: The monotonic clock.
        trace: The diary.
        earcons: Whether short sounds are played at all.
        on_sound: Called when a card that rested begins to play.
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
        on_sound: Callable[[], None] = lambda: None,
        back_off_s: tuple[float, float] = BACK_OFF_S,
    ) -> None:
        self._device = device
        self._on_event = on_event
        self._now = now
        self._trace = trace
        self._earcons = earcons
        self.reference = EchoReference(now)
        self._gate = DownlinkGate()
        self._player = Player(
            gate=self._gate, reference=self.reference, on_event=on_event, on_sound=on_sound, now=now, trace=trace
        )
        self._late_bytes = 0
        self._card = Card(
            Device.LOUDSPEAKER,
            open_pcm=lambda: open_pcm(self._device),
            begin=self._begin,
            end=self._end,
            on_event=on_event,
            now=now,
            back_off_s=back_off_s,
            is_busy=lambda: self._player.is_playing,
        )

    async def run(self) -> None:
        """Play, and look for the card whenever it is not there.

        Ends: by cancellation only; the card is closed then.
        """
        await self._card.run()

    def use(self, *, device: str, earcons: bool) -> None:
        """Play by another card, once what is being played has ended, and short sounds or none from now on.

        Args:
            device: ALSA's name of the card.
            earcons: Whether short sounds are played at all.
        """
        self._earcons = earcons
        if device != self._device:
            self._device = device
            self._card.renew()

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
        self._player.enqueue(Piece(item_id, response_id, frames))
        gate.complete = False  # an item was, but the response has another
        if not gate.announced:
            gate.announced = True
            self._on_event(AudioStarted(response_id))
        self._player.advance()

    def end_of_audio(self, response_id: ResponseId) -> None:
        """Take note that nothing more of this response will come, so that running dry is its end and no starvation."""
        gate = self._gate.of(response_id)
        if gate is not None:
            gate.complete = True
            self._player.advance()

    def play_earcon(self, earcon: Earcon) -> None:
        """Play a short sound, over a reply that is being said or before one that waits.

        Without a card it is dropped, not saved up.
        """
        if not self._earcons or self._player.output is None:
            return
        mix, sound = self._player.mix, earcon_pcm(earcon)
        if mix.speaking:
            mix.overlay(sound)
        else:
            mix.insert(sound)
        self._trace.mark("earcon", earcon=earcon.value)
        self._player.advance()

    def play_notice(self, pcm: npt.NDArray[np.int16], name: str) -> None:
        """Say a sentence of our own before anything that waits; a reply that is being said goes on behind it.

        It belongs to no response: nothing announces it, its end is no ``PlaybackDrained``, nothing of it is truncated,
        and ``flush`` ends it. Without a card it is dropped, not saved up.

        Args:
            pcm: Wire frames; not changed.
            name: Which sentence, for the diary.

        Shape: (frames,).
        """
        if self._player.output is None or not len(pcm):
            return
        self._player.mix.insert(faded(pcm, until_end=len(pcm)))
        self._trace.mark("notice", notice=name)
        self._player.advance()

    def set_gain(self, gain: float) -> None:
        """Play everything at another volume, from what is handed over next on (up to 0.4 s later); 1: as it came.

        The echo canceller sees what is played, so it follows.

        Raises:
            ValueError: the gain is out of range (``core.gain.GAIN_MAX``).
        """
        self._player.mix.set_gain(gain)

    def flush(self) -> None:
        """Silence at once, within a moment that does not click; what was waiting is gone.

        Where nothing plays the card is left alone: begun anew it would cost the echo canceller its count.
        """
        if self._player.is_playing:
            self._player.flush()

    def unheard(self) -> tuple[Heard, ...]:
        """Return the reply items not yet wholly heard, in playing order, with what was heard of each."""
        return self._player.note_played().unheard()

    @property
    def is_playing(self) -> bool:
        """Whether anything is audible or waiting to be."""
        return self._player.is_playing

    @property
    def pulse(self) -> int | None:
        """Changes while what is to be heard comes out, or a lost card is looked for; None: there is nothing to play.

        A card that has hung is asked for more: it takes a bufferful at each opening, and hangs again. It is trusted
        when it has played silence until its rest.
        """
        output = self._player.output
        if output is None:
            return self._card.searches
        asked = self.is_playing or (self._card.hangs and not output.resting)
        return output.playback.state.heard_frames + self._card.searches if asked else None

    def status(self) -> dict[str, Any]:
        """Return what there is to know, as plain data."""
        output = self._player.output
        state = output.playback.state if output else None
        return {
            "device": self._device,
            **self._card.status(),
            "xruns": state.xruns if state else 0,
            "starvations": state.starvations if state else 0,
            "start_delay_ms": int(1000 * self._player.delay_s),
            "gain": self._player.mix.gain,
            "playing": self.is_playing,
            "level_dbfs": round(self._player.level_dbfs, 1),
            "resting": output.resting if output else False,
            "backlog_ms": frames_to_ms(self._player.mix.frames, WIRE_RATE_HZ),
            "late_bytes": self._late_bytes,
            "realignments": self.reference.realignments,
        }

    # --- the card ----------------------------------------------------------------------------------------------------

    def _begin(self, pcm: PlaybackPcm) -> Playback:
        loop = asyncio.get_running_loop()
        bell = Doorbell(loop, self._player.advance)

        def ring_when_wanted() -> None:  # Thread: playback
            # Waking the loop costs more than what it does then, and in the middle of a reply half a ring is plenty.
            if self._player.settling or output.low:
                bell.ring()

        output = Output(pcm, ring_when_wanted, self._now)
        self.reference.attach(output.reference, output.format, lambda: output.playback.state)
        self._player.begin(output)
        loop.call_soon(self._player.advance)
        return output.playback

    def _end(self) -> None:
        self._player.end()
        self.reference.detach()

"""The microphone's side of the loop: from the capture thread's ring to the wake word and the uplink.

Every block takes the same way: decode, pick a channel, resample to the wire's rate, take the echo out, keep it in the
pre-roll; from there to the uplink gate and, resampled once more, to the wake word, which listens always.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal

from speakerd.audio.aligned import Reference
from speakerd.audio.capture import Capture
from speakerd.audio.card import BACK_OFF_S, Card
from speakerd.audio.doorbell import Doorbell
from speakerd.audio.echo import Canceller, EchoPath, Pcm
from speakerd.audio.held_uplink import HeldUplink
from speakerd.audio.in_step import InStep
from speakerd.audio.intake import Intake
from speakerd.audio.pcm_types import CapturePcm
from speakerd.core.calm import HANG_MS, Calm
from speakerd.core.echo_levels import STEP_FRAMES, power
from speakerd.core.echo_probe import EchoProbe
from speakerd.core.events import Device, EchoMeasured, Event, MicrophoneSilent
from speakerd.core.pcm import Resampler, rms_dbfs
from speakerd.core.preroll import Preroll
from speakerd.core.units import WAKE_RATE_HZ, WIRE_RATE_HZ, Frames, frames_to_ms, ms_to_frames
from speakerd.core.uplink_gate import UplinkGate
from speakerd.ports import Trace

log = logging.getLogger("speakerd.audio")

PREROLL_S = 20.0
"""How far back an uplink may begin: longer than any network takes to connect, and long enough that a question of some
ten seconds can be asked again when a network has fallen silent, which takes eight to be noticed (chosen; 960 kB)."""

LAZY_FRAMES = ms_to_frames(80, WIRE_RATE_HZ)
"""While nobody waits for the session, or nobody speaks, the loop is woken once for so much: the wake word looks at
whole 80 ms, so it hears no later, and most of what a period costs is the waking up (measured: 23 against 7 ms of CPU a
second)."""

RESTING_FRAMES = ms_to_frames(3000, WIRE_RATE_HZ)
"""After so much quiet the loudspeaker's card rests, and whatever begins to play calls ``attend`` (follows from
``player.REST_AFTER_S``)."""

ATTENTION_FRAMES = ms_to_frames(500, WIRE_RATE_HZ)
"""How long ``attend`` lasts: what it takes to know where a wake word ends (310 ms), and some."""

LEVEL_S = 0.3
"""What the level in ``status`` is measured over (guess: a syllable)."""


class Microphone:
    """The microphone, and the gate from it to the session. Implements ``ports.Uplink``. Thread: event loop.

    Args:
        device: ALSA's name of the card.
        channel: Which of its channels to hear, from 0, or ``auto``.
        open_pcm: Opens the card; may block.
        canceller: Takes our own voice out; None: nothing does.
        probe: Tells whether there is anything of it to take out; None: there always is.
        far: What the loudspeaker plays; None: nobody knows.
        wake_feed: Takes wake audio, always and all of it: exactly two frames for three of the wire; and, while
            something plays, as much of the microphone before anything was cancelled, and of what was played.
        uplink: Takes wire audio that leaves for the session, and where it begins; None: it is silence.
        on_event: Takes ``DeviceFound`` and ``DeviceLost``.
        on_echo: Takes what is known of the echo after each stretch of playing, and when its choice changes.
        on_silent: Told when nothing but zeros, or another single value, comes, and when that ends.
        now: The monotonic clock.
        trace: The diary.
        pause_ms: How long the service waits for the end of an utterance.
        back_off_s: First and longest wait before the card is opened again.
    """

    def __init__(
        self,
        *,
        device: str,
        channel: int | Literal["auto"],
        open_pcm: Callable[[str], CapturePcm],
        canceller: Canceller | None,
        far: Reference | None,
        wake_feed: Callable[[bytes, bytes | None, bytes | None], None],
        uplink: Callable[[bytes, Frames | None], None],
        on_event: Callable[[Event], None],
        now: Callable[[], float],
        trace: Trace,
        probe: EchoProbe | None = None,
        on_echo: Callable[[EchoMeasured], None] | None = None,
        on_silent: Callable[[MicrophoneSilent], None] | None = None,
        pause_ms: float = 500.0,
        back_off_s: tuple[float, float] = BACK_OFF_S,
    ) -> None:
        self._device = device
        self._channel = channel
        self._echo = EchoPath(canceller, far, probe) if far is not None else None
        self._on_echo = on_echo
        self._on_silent = on_silent
        self._to_wake_near, self._to_wake_far = InStep(), InStep()
        self._wake_feed = wake_feed
        self._uplink = uplink
        self._trace = trace
        self._preroll = Preroll(int(PREROLL_S * WIRE_RATE_HZ))
        self._to_wake = Resampler(WIRE_RATE_HZ, WAKE_RATE_HZ)
        self._gate = HeldUplink(UplinkGate(self._preroll, self._send), self._preroll, self._echo, trace)
        self._intake: Intake | None = None
        self._calm = Calm(pause_ms + HANG_MS)
        self._attend_until = 0
        self._first_piece = False
        self._card = Card(
            Device.MICROPHONE,
            open_pcm=lambda: open_pcm(self._device),
            begin=self._begin,
            end=self._end,
            on_event=on_event,
            now=now,
            back_off_s=back_off_s,
        )

    async def run(self) -> None:
        """Listen, and look for the card whenever it is not there.

        Ends: by cancellation only; the card is closed then.
        """
        await self._card.run()

    def use(self, *, device: str, channel: int | Literal["auto"], pause_ms: float) -> None:
        """Hear by another card, or another channel of it, and wait as long as the service for an utterance's end.

        Args:
            device: ALSA's name of the card.
            channel: Which of its channels to hear, from 0, or ``auto``.
            pause_ms: How long the service waits for the end of an utterance.
        """
        self._calm = Calm(pause_ms + HANG_MS)
        if (device, channel) != (self._device, self._channel):
            self._device, self._channel = device, channel
            self._card.renew()

    def use_echo(self, canceller: Canceller | None, probe: EchoProbe | None) -> None:
        """Take our own voice out by another engine, or with other sound cards; what was measured is forgotten.

        Args:
            canceller: Takes it out; None: nothing does.
            probe: Tells whether there is anything of it to take out; None: there always is.
        """
        if self._echo is not None:
            self._echo.use(canceller, probe)

    def open(self, from_frame: Frames | None) -> None:
        """Let audio through live, starting at a wire frame in the pre-roll (None: from now); never a frame twice.

        What now means behind a reply is said in ``HeldUplink``.
        """
        if self._gate.mode == "closed":
            self._first_piece = True
            self._drain()  # now is now, not up to 80 ms ago
        self._calm.disturb()
        self._gate.open(from_frame)
        self._hurry()

    def repeat(self, from_frame: Frames) -> None:
        """Send again what was let through since a wire frame: the session that got it is gone."""
        back_ms = frames_to_ms(self._preroll.end - from_frame, WIRE_RATE_HZ)
        self._trace.mark("uplink.again", from_frame=from_frame, back_ms=back_ms)
        self._gate.repeat(from_frame)

    def repeatable_from(self) -> Frames:
        """Return the oldest wire frame that was let through and can be let through again."""
        self._drain()  # what waits in the ring will push out as much
        return self._gate.repeatable_from

    def silence(self) -> None:
        """Stream digital silence in place of the microphone."""
        self._gate.silence()

    def close(self) -> None:
        """Let nothing through."""
        self._gate.close()

    def attend(self) -> None:
        """Take in every period as it comes for half a second: somebody waits for what is heard now, or it is ours."""
        self._attend_until = self._preroll.end + ATTENTION_FRAMES
        self._drain()
        self._hurry()

    @property
    def position_frames(self) -> Frames:
        """Wire frames taken in since the start; goes on where it was when the card comes back."""
        return self._preroll.end

    @property
    def pulse(self) -> int:
        """Changes while frames come in, or a lost card is looked for."""
        return self._preroll.end + self._card.searches

    def status(self) -> dict[str, Any]:
        """Return what there is to know, as plain data."""
        intake, newest = self._intake, self._preroll.end
        return {
            "device": self._device,
            **self._card.status(),
            "channel": intake.channel if intake else self._channel,
            "xruns": intake.capture.xruns if intake else 0,
            "refused_bytes": intake.capture.refused_bytes if intake else 0,
            "position_frames": newest,
            "level_dbfs": round(rms_dbfs(self._preroll.read(newest - int(LEVEL_S * WIRE_RATE_HZ), newest)), 1),
            "uplink": self._gate.mode,
            "silent_s": round(intake.mute_watch.silent_s, 1) if intake else 0.0,
            "deaf": intake.mute_watch.verdict if intake else None,
            "cancelling": self._echo.cancelling if self._echo else False,
            "echo": self._echo.status() if self._echo else None,
        }

    def _begin(self, pcm: CapturePcm) -> Capture:
        bell = Doorbell(asyncio.get_running_loop(), self._drain)
        self._intake = Intake(
            pcm,
            self._device,
            self._channel,
            first_frame=self._preroll.end,
            doorbell=bell.ring,
            on_silent=self._tell_silent,
        )
        return self._intake.capture

    def _end(self) -> None:
        self._drain()  # what it heard last was heard
        intake, self._intake = self._intake, None
        if intake is not None:
            intake.end()
        if self._echo is not None:
            self._echo.realign()

    def _drain(self) -> None:
        """Take in what the capture thread has left."""
        intake = self._intake
        if intake is None:
            return
        near = intake.take()
        if intake.lost() and self._echo is not None:
            self._echo.realign()
        if near is not None:
            self._take_in(near)
        capture = intake.capture
        capture.listening = self._gate.mode == "live" and not self._is_urgent
        capture.wanted_frames = self._wanted_frames(intake)
        # Nowhere while anybody waits for anything.
        waited_for = self._is_urgent or self._gate.mode != "closed"
        capture.lookout_channel = None if waited_for else intake.voice_channel

    def _hurry(self) -> None:
        """Have every period at once from now on, until the next one says how many are wanted."""
        if self._intake is not None:
            self._intake.capture.wanted_frames = 0
            self._intake.capture.lookout_channel = None
            self._intake.capture.hurry()

    def _wanted_frames(self, intake: Intake) -> int:
        """Return what the card must have delivered before the loop is woken: anything, or all of the next 80 ms."""
        if self._is_urgent:
            return 0
        return intake.due_frames((self._preroll.end // LAZY_FRAMES + 1) * LAZY_FRAMES)

    @property
    def _is_urgent(self) -> bool:
        """Whether somebody waits for the next period.

        While the loudspeaker's card is at work, the canceller does: both of its ends are compared by count, and sound
        that waits in the microphone's card looks like a wrong one. With 40 ms at once it counted anew in the middle of
        replies, and let them through.
        """
        playing = self._echo is not None and self._echo.quiet_frames < RESTING_FRAMES
        if playing or self._preroll.end < self._attend_until or self._gate.searching:
            return True
        return self._gate.mode == "live" and not self._calm.is_calm

    def _take_in(self, near: Pcm) -> None:
        """Pass on wire frames. The session first: a person waits for it."""
        wire = self._echo.process(near) if self._echo is not None else near
        heard = self._gate.mode == "live"  # by somebody who takes what is left of the echo for speech
        self._preroll.append(self._echo.without_residue(wire, wanted=heard) if self._echo is not None else wire)
        if heard:
            for at in range(0, len(wire), STEP_FRAMES):
                step = wire[at : at + STEP_FRAMES]
                self._calm.process(power(step), frames_to_ms(Frames(len(step)), WIRE_RATE_HZ))
        self._gate.pump(calm=self._calm.is_calm)
        self._feed_wake(self._to_wake.process(wire))
        measured = self._echo.measure(wire) if self._echo is not None else None
        if measured is not None and self._on_echo is not None:
            self._on_echo(measured)

    def _feed_wake(self, wake: Pcm) -> None:
        far = self._echo.far if self._echo is not None else None
        heard = self._to_wake_near.process(self._echo.near if self._echo and far is not None else None, len(wake))
        self._wake_feed(wake.tobytes(), heard, self._to_wake_far.process(far, len(wake)))

    def _tell_silent(self, change: MicrophoneSilent) -> None:
        if change.silent:
            log.warning("the microphone %s is deaf: nothing but %s comes", self._device, self.status()["deaf"])
        else:
            log.info("the microphone %s is not deaf any more", self._device)
        if self._on_silent is not None:
            self._on_silent(change)

    def _send(self, piece: bytes, first_frame: Frames | None) -> None:
        if self._first_piece:
            self._first_piece = False
            self._trace.mark("uplink.open", from_frame=first_frame)
        self._uplink(piece, first_frame)

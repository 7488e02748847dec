"""One opening of the microphone's card, in wire frames: what it has delivered, of the channel that carries the voice.

Where in the wire frames it stands, and what is done with them, is the microphone's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from speakerd.audio.capture import Capture
from speakerd.audio.echo import Pcm
from speakerd.audio.pcm_types import CapturePcm
from speakerd.audio.ring import make_ring
from speakerd.core.errors import DeviceError, Remedy
from speakerd.core.events import MicrophoneSilent
from speakerd.core.mute_watch import MuteWatch
from speakerd.core.pcm import ChannelPicker, Resampler, decode
from speakerd.core.units import WIRE_RATE_HZ, Frames

RING_S = 3.0
"""What the capture ring holds: how long the loop may be busy before audio is refused (guess; a slow import), and what
waits there in a quiet room."""


class Intake:
    """The way from one open card to wire frames. Thread: event loop.

    Args:
        pcm: The card.
        device: Its name, for who must be told.
        channel: Which of its channels to hear, from 0, or ``auto``.
        first_frame: Where its first frame stands in the wire frames.
        doorbell: Called by the capture thread.
        on_silent: Told when nothing but one value comes, and when that ends.

    Attributes:
        capture: The thread's body.
        mute_watch: Whether what comes ever changes.

    Raises:
        DeviceError: the card has no such channel (``device-channel``).
    """

    def __init__(
        self,
        pcm: CapturePcm,
        device: str,
        channel: int | Literal["auto"],
        *,
        first_frame: Frames,
        doorbell: Callable[[], None],
        on_silent: Callable[[MicrophoneSilent], None],
    ) -> None:
        given = pcm.format
        if channel != "auto" and not 0 <= channel < given.channels:
            raise DeviceError(
                "device-channel",
                f"channel {channel} of {device!r}: it has {given.channels}, counted from 0",
                Remedy.OPERATOR,
            )
        producer, self._ring = make_ring(int(RING_S * given.rate_hz) * given.frame_bytes)
        self._format = given
        self._picker = ChannelPicker(channel, given.rate_hz)
        self._resampler = Resampler(given.rate_hz, WIRE_RATE_HZ)
        self._first_frame = first_frame
        self._on_silent = on_silent
        self._losses = 0  # overruns and refusals seen so far
        self.capture = Capture(pcm, producer, doorbell)
        self.mute_watch = MuteWatch(given.rate_hz, given.channels, given.frame_bytes // given.channels)

    def take(self) -> Pcm | None:
        """Return what the capture thread has left; None: nothing."""
        data = self._ring.read(self._ring.available_bytes)
        if not data:
            return None
        frames = decode(data, self._format.channels, self._format.sample_format)
        picked = self._picker.pick(frames)
        self._tell(self.mute_watch.process(data, None if self._picker.channel == "auto" else self._picker.channel))
        return self._resampler.process(picked)

    def end(self) -> None:
        """Take note that nothing more will come."""
        self._tell(self.mute_watch.restart())

    def lost(self) -> bool:
        """Tell whether frames were lost since this was asked last."""
        losses, before = self.capture.xruns + self.capture.refused_bytes, self._losses
        self._losses = losses
        return losses != before

    def due_frames(self, position_frames: int) -> int:
        """Return what the card must have delivered for the wire frames to reach a position."""
        return -(-(position_frames - self._first_frame) * self._format.rate_hz // WIRE_RATE_HZ)

    @property
    def channel(self) -> int | Literal["auto"]:
        """Which channel carries the voice; ``auto``: nobody knows yet."""
        return self._picker.channel

    @property
    def voice_channel(self) -> int | None:
        """Where to wait for a sound; None: nobody knows yet which of several carries the voice."""
        if self._format.channels == 1:
            return 0
        return None if self._picker.channel == "auto" else self._picker.channel

    def _tell(self, change: MicrophoneSilent | None) -> None:
        if change is not None:
            self._on_silent(change)

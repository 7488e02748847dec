"""Stands in for PyAudio, which has to be compiled: the part that a local transport uses, on ``sounddevice``.

Both only call PortAudio, and this asks it for what PyAudio asks: the card's low latency, as many frames at once as
PortAudio likes unless told otherwise, no clipping, a stream that runs as soon as it is open. Not PyAudio, and none of
its code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sounddevice  # type: ignore[import-not-found]  # installed in the peer's own environment

paInt16 = 8  # noqa: N816 - PyAudio's name
paContinue = 0  # noqa: N816 - the same

_INT16_BYTES = 2
_FRAMES = 0
"""PortAudio's choice, for which PyAudio asks unless told otherwise."""

Callback = Callable[[bytes, int, dict[str, float], int], tuple[bytes | None, int]]


class Stream:
    """A stream one way."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        stream.start()

    def start_stream(self) -> None:
        """Go on, if it was stopped."""
        if not self._stream.active:
            self._stream.start()

    def stop_stream(self) -> None:
        """Stop when everything is played."""
        self._stream.stop()

    def close(self) -> None:
        """Give the card back."""
        self._stream.close()

    def write(self, frames: bytes) -> None:
        """Play something; waits until there is room for it."""
        self._stream.write(frames)


class PyAudio:
    """Opens streams on the machine's own microphone and loudspeaker."""

    def get_format_from_width(self, width: int) -> int:
        """Return the format with so many bytes a sample."""
        if width != _INT16_BYTES:
            raise ValueError(f"{width} bytes a sample: only 16 bit here")
        return paInt16

    def open(
        self,
        *,
        rate: int,
        channels: int,
        format: int,  # noqa: A002 - PyAudio's name
        input: bool = False,  # noqa: A002 - the same
        output: bool = False,
        input_device_index: int | None = None,
        output_device_index: int | None = None,
        frames_per_buffer: int = _FRAMES,
        stream_callback: Callback | None = None,
    ) -> Stream:
        """Open one way, and run it."""
        assert format == paInt16
        assert input != output
        card = {
            "samplerate": rate,
            "channels": channels,
            "dtype": "int16",
            "blocksize": frames_per_buffer,
            "latency": "low",
            "clip_off": True,
        }
        if output:
            assert stream_callback is None
            return Stream(sounddevice.RawOutputStream(**card, device=output_device_index))
        assert stream_callback is not None

        def heard(pcm: Any, frames: int, _time: Any, status: Any) -> None:
            stream_callback(bytes(pcm), frames, {}, int(bool(status)))

        return Stream(sounddevice.RawInputStream(**card, device=input_device_index, callback=heard))

    def terminate(self) -> None:
        """End PortAudio; it ends with the process."""

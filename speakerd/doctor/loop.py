"""A process of its own that plays chirps and listens to them, or listens to somebody who says something.

``python -m speakerd.doctor.loop CAPTURE PLAYBACK CHANNEL``, or ``CAPTURE SECONDS CHANNEL listen``.

Of its own, since a sound server that hangs holds the interpreter's lock in ``open`` and would stop every other check;
this one is killed. It writes one JSON object a line as it goes; what they mean is ``sound.py``'s business.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from speakerd.audio.alsa import mixer_controls, mixer_state, open_capture, open_playback, silence_alsa_messages
from speakerd.audio.devices import PROC_ASOUND
from speakerd.audio.echo import BLOCK_FRAMES, DELAY_FRAMES, EchoCanceller
from speakerd.audio.pcm_types import CapturePcm, PcmFormat, PlaybackPcm
from speakerd.core.chirp import ZeroTime, chirps, find, removed_db
from speakerd.core.errors import DeviceError
from speakerd.core.pcm import Int16, Resampler, decode, encode, pick_channel, rms_dbfs
from speakerd.core.units import WAKE_RATE_HZ, WIRE_RATE_HZ

NOISE_S = 1.0
"""How long the room is listened to before anything is played (chosen: any hum has many turns in it)."""

SETTLE_S = 0.2
"""What a microphone gives first is often a click (guess)."""

TAIL_S = 1.0
"""How long it is listened to after the end: the search for the last chirp and an echo's own end (chosen)."""

BABBLE_S = 6.0
"""How long a sound is played that the echo canceller is tried on; it has learnt a room within three (measured)."""

BABBLE_DBFS = -26.0
"""How loud: as the service's voice is (measured)."""

SYLLABLES_HZ = 4.0
"""How often it swells and falls, as speech does (specified by phonetics)."""

Say = Callable[[dict[str, Any]], None]


class Listening:
    """A thread that keeps everything a microphone gives. Attributes are read once it has ended.

    Attributes:
        clock: When its first frame was heard.
        xruns: How often the card overran.
        failure: Why it ended before it was told to.
    """

    def __init__(self, pcm: CapturePcm) -> None:
        self.clock = ZeroTime(pcm.format.rate_hz)
        self.xruns = 0
        self.failure: DeviceError | None = None
        self._pcm = pcm
        self._pieces: list[bytes] = []
        self._frames = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> Int16:
        """End, and return what was heard.

        Shape: (frames, channels)
        """
        self._over.set()
        self._thread.join()
        given = self._pcm.format
        return decode(b"".join(self._pieces), given.channels, given.sample_format)

    def _run(self) -> None:
        """Read period after period. Ends: by ``stop``, or with the card. Thread: capture."""
        while not self._over.is_set():
            try:
                frames, data = self._pcm.read()
            except DeviceError as error:
                self.failure = error
                return
            if frames < 0:
                self.xruns += 1
                continue
            self._frames += frames
            self._pieces.append(data)
            self.clock.note(self._frames + self._pcm.waiting_frames(), time.monotonic())


def babble() -> Int16:
    """Return noise that swells like syllables, in the band of a voice; the same every time.

    Units: S16 at the wire's rate.
    """
    frames = int(BABBLE_S * WIRE_RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(11).standard_normal(frames))
    at_hz = np.fft.rfftfreq(frames, 1 / WIRE_RATE_HZ)
    spectrum *= np.where((at_hz > 200) & (at_hz < 7000), 1 / np.sqrt(np.maximum(at_hz, 200)), 0)  # noqa: PLR2004 - a voice's band
    sound = np.fft.irfft(spectrum, frames) * (1 - np.cos(2 * np.pi * SYLLABLES_HZ * np.arange(frames) / WIRE_RATE_HZ))
    sound *= 32768 * 10 ** (BABBLE_DBFS / 20) / np.sqrt(np.mean(sound**2))
    samples: Int16 = np.rint(np.clip(sound, -32768, 32767)).astype(np.int16)
    return samples


def play(pcm: PlaybackPcm, sound: Int16, clock: ZeroTime) -> int:
    """Play it to its end and return how often the card ran dry.

    Raises:
        DeviceError: the card is gone.
    """
    given, xruns, written = pcm.format, 0, 0
    padded = np.concatenate((sound, np.zeros(-len(sound) % given.period_frames + given.buffer_frames, np.int16)))
    data = memoryview(encode(padded, given.channels, given.sample_format))
    while written < len(padded):
        at = written * given.frame_bytes
        taken = pcm.write(data[at : at + given.period_bytes])
        if taken < 0:
            xruns += 1
            continue
        written += taken
        clock.note(written - pcm.queued_frames(), time.monotonic())
    return xruns


def measure(capture: CapturePcm, playback: PlaybackPcm, channel: int | Literal["auto"]) -> dict[str, Any]:
    """Play and listen for some thirteen seconds, and return what came of it.

    Raises:
        DeviceError: a card is gone.
    """
    rate_hz, out_hz = capture.format.rate_hz, playback.format.rate_hz
    listening, clock = Listening(capture), ZeroTime(out_hz)
    listening.start()
    time.sleep(SETTLE_S + NOISE_S)
    noise = babble()
    train = chirps(out_hz)
    xruns = play(playback, np.concatenate((train, Resampler(WIRE_RATE_HZ, out_hz).process(noise))), clock)
    time.sleep(TAIL_S)
    heard = listening.stop()
    if listening.failure is not None:
        raise listening.failure
    mono = pick_channel(heard, channel)
    begun_s = clock.zero_s - listening.clock.zero_s
    quiet = mono[int(SETTLE_S * rate_hz) : int(begun_s * rate_hz)]
    found = find(mono, rate_hz, begun_s)
    return {
        "noise_dbfs": round(rms_dbfs(quiet), 1),
        "constant": bool(len(mono)) and int(np.min(mono)) == int(np.max(mono)),
        "write_to_heard_ms": None
        if found is None
        else round(found.delay_ms + 1000 * playback.format.buffer_frames / out_hz, 1),
        "xruns": listening.xruns + xruns,
        "found": None if found is None else asdict(found),
        "removed_db": None if found is None else _removed(mono, rate_hz, begun_s + len(train) / out_hz, noise, quiet),
    }


def _removed(mono: Int16, rate_hz: int, begun_s: float, far: Int16, quiet: Int16) -> float | None:
    """Return how much the daemon's echo canceller takes out, once it has learnt the room.

    Args:
        mono: What the microphone heard.
        rate_hz: Its rate.
        begun_s: When the far end began, from the first frame heard.
        far: What was played, at the wire's rate.
        quiet: The room without it.
    """
    begin = round(begun_s * rate_hz)
    near = Resampler(rate_hz, WIRE_RATE_HZ).process(mono[begin : begin + round(len(far) / WIRE_RATE_HZ * rate_hz)])
    size = min(len(near), len(far))
    canceller = EchoCanceller()
    out = np.concatenate((canceller.process(near[:size], far[:size]), canceller.drain()))
    judged = slice(size // 2, size - (DELAY_FRAMES + BLOCK_FRAMES))  # what it held back at the end comes uncancelled
    return removed_db(near[judged], out[judged], rms_dbfs(quiet))


def mixers(proc_asound: Path = PROC_ASOUND) -> list[dict[str, Any]]:
    """Return every volume control of every card of the kernel's, as plain data.

    Args:
        proc_asound: Where the kernel lists its cards.
    """
    found = []
    for folder in sorted(proc_asound.glob("card[0-9]*")):
        index = int(folder.name.removeprefix("card"))
        card = (folder / "id").read_text(encoding="utf-8").strip()
        found += [{"card": card, **asdict(mixer_state(index, name))} for name in mixer_controls(index)]
    return found


def describe(pcm_format: PcmFormat) -> dict[str, Any]:
    """Return what ALSA gave, as plain data."""
    return asdict(pcm_format)


def main(capture: str, playback: str, channel: int | Literal["auto"], say: Say) -> None:
    """Open both cards, tell what ALSA gave, and measure if both are there.

    Args:
        capture: The microphone's PCM.
        playback: The loudspeaker's.
        channel: Of the microphone.
        say: Takes one finding at a time.
    """
    silence_alsa_messages()
    say({"mixers": mixers()})
    ends: dict[str, Any] = {}
    for part, name in (("capture", capture), ("playback", playback)):
        say({"opening": part})
        try:
            ends[part] = open_capture(name) if part == "capture" else open_playback(name)
        except DeviceError as error:
            say({part: {"code": error.code, "message": str(error)}})
        else:
            say({part: describe(ends[part].format)})
    try:
        if len(ends) == 2:  # noqa: PLR2004 - both
            say({"opening": "chirp"})
            say({"loop": measure(ends["capture"], ends["playback"], channel)})
    except (DeviceError, ValueError) as error:  # a card that goes; a channel that is not there
        say({"loop": {"code": getattr(error, "code", "device-channel"), "message": str(error)}})
    finally:
        for pcm in ends.values():
            pcm.close()


def listen(capture: str, span_s: float, channel: int | Literal["auto"], say: Say) -> None:
    """Open the microphone and give what it hears, at the rate of the wake word.

    Args:
        capture: The microphone's PCM.
        span_s: For how long, in seconds.
        channel: Of the microphone.
        say: Takes one finding at a time.
    """
    silence_alsa_messages()
    try:
        pcm = open_capture(capture)
    except DeviceError as error:
        say({"listened": {"code": error.code, "message": str(error)}})
        return
    try:
        listening = Listening(pcm)
        listening.start()
        time.sleep(SETTLE_S)
        say({"listening": span_s})
        time.sleep(span_s)
        heard = listening.stop()
        if listening.failure is not None:
            raise listening.failure
        mono = Resampler(pcm.format.rate_hz, WAKE_RATE_HZ).process(pick_channel(heard, channel))
        say({"listened": base64.b64encode(mono.astype("<i2").tobytes()).decode()})
    except (DeviceError, ValueError) as error:
        say({"listened": {"code": getattr(error, "code", "device-channel"), "message": str(error)}})
    finally:
        pcm.close()


def _print(finding: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(finding) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _capture, _second, _written, *_mode = sys.argv[1:]
    _channel: int | Literal["auto"] = "auto" if _written == "auto" else int(_written)
    if _mode == ["listen"]:
        listen(_capture, float(_second), _channel, _print)
    else:
        main(_capture, _second, _channel, _print)

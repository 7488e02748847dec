"""Open a PCM, learn what ALSA really gave, move one period: the only importer of ``alsaaudio``.

pyalsaaudio opens whatever the card allows, silently: asked for 24 kHz mono, a card that knows only 16 kHz stereo opens
at 16 kHz stereo (measured). So nothing here trusts what it asked for: ``info()`` is read back, and the rest of the
program adapts to it. ALSA's own converters are never asked to change the rate, since they alias at 0 dB where the
package with the good one is missing (measured).

What pyalsaaudio 0.11 holds the interpreter's lock for: open, ``drop``, ``avail`` and ``close``; it lets go of it only
while reading and writing. A sound server that hangs therefore freezes the whole process in ``open``, and only systemd's
watchdog helps.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import alsaaudio

from speakerd.audio.alsa_errors import error_while_opening, error_while_running
from speakerd.audio.pcm_types import (
    CapturePcm,
    Direction,
    MixerState,
    NativeFormat,
    PcmFormat,
    PlaybackPcm,
    SampleFormat,
)
from speakerd.core.errors import DeviceError, Remedy
from speakerd.core.units import PERIOD_MS

__all__ = [
    "CapturePcm",
    "PcmFormat",
    "PlaybackPcm",
    "configured_pcms",
    "mixer_controls",
    "mixer_state",
    "open_capture",
    "open_control",
    "open_playback",
    "probe",
    "read_mixer",
    "silence_alsa_messages",
    "volume_controls",
]

_DIRECTIONS: dict[Direction, int] = {"capture": alsaaudio.PCM_CAPTURE, "playback": alsaaudio.PCM_PLAYBACK}

SAMPLE_FORMATS: dict[str, SampleFormat] = {"S16_LE": "S16_LE", "S32_LE": "S32_LE"}
"""What we can read and write, in the order in which we ask."""

PREFERRED_RATE_HZ = 48_000
"""What nearly every card runs at by itself (specified for USB and HDMI, common on I2S)."""

RATES_HZ = frozenset({8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000})
"""The rates the resampler has a sane ratio to (specified)."""

MAX_CHANNELS = 8
"""The largest microphone arrays deliver this many (specified)."""

PREFERRED_CHANNELS = 2
"""More than a voice needs, but a mono PCM over ALSA's ``plug`` would mix a dead channel into a live one."""

CAPTURE_PERIODS = 30
"""600 ms of patience with a thread that comes late on a busy machine (chosen). Costs no latency: only what waits in the
buffer does, and a read returns with its first period (measured). A card that has no memory for it gives what it has."""

PLAYBACK_PERIODS = 4
"""80 ms: what survives a busy Python thread (measured), all of it heard as latency."""


class _AlsaCapture:
    """A capture PCM of alsa-lib."""

    def __init__(self, device: str, pcm: Any, pcm_format: PcmFormat) -> None:
        self.format = pcm_format
        self._device = device
        self._pcm = pcm

    def read(self) -> tuple[int, bytes]:
        try:
            frames, data = self._pcm.read()
        except alsaaudio.ALSAAudioError as error:
            raise _lost(self._device, self._pcm, error) from error
        return frames, data

    def waiting_frames(self) -> int:
        return max(0, int(self._pcm.avail()))  # negative after an overrun

    def close(self) -> None:
        _shut(self._pcm)


class _AlsaPlayback:
    """A playback PCM of alsa-lib."""

    def __init__(self, device: str, pcm: Any, pcm_format: PcmFormat) -> None:
        self.format = pcm_format
        self._device = device
        self._pcm = pcm

    def write(self, data: bytes | memoryview) -> int:
        try:
            return int(self._pcm.write(data))
        except alsaaudio.ALSAAudioError as error:
            raise _lost(self._device, self._pcm, error) from error

    def queued_frames(self) -> int:
        # avail() returns a negative errno as a number (an underrun, a lost card: nothing is queued then), with some
        # plugins more than the buffer for a moment, and after drop() what it was before (all measured).
        if self._pcm.state() == alsaaudio.PCM_STATE_SETUP:
            return 0
        avail = self._pcm.avail()
        return 0 if avail < 0 else max(0, self.format.buffer_frames - int(avail))

    def drop(self) -> None:
        try:
            self._pcm.drop()
        except alsaaudio.ALSAAudioError as error:
            raise _lost(self._device, self._pcm, error) from error

    def close(self) -> None:
        _shut(self._pcm)


def _lost(device: str, pcm: Any, error: Exception) -> DeviceError:
    try:
        state = pcm.state()
    except alsaaudio.ALSAAudioError:  # closed
        state = None
    return error_while_running(device, str(error), state)


def _shut(pcm: Any) -> None:
    # close() alone drains a playing stream first, which takes as long as the buffer, or for ever on a dead card.
    with contextlib.suppress(alsaaudio.ALSAAudioError):
        pcm.drop()
    pcm.close()


def open_capture(device: str) -> CapturePcm:
    """Open a PCM for listening, at the card's own rate where that can be known.

    Raises:
        DeviceError: ``device-missing``, ``device-busy``, ``device-denied`` or ``device-format``.
    """
    return _AlsaCapture(device, *_open(alsaaudio.PCM_CAPTURE, device, CAPTURE_PERIODS))


def open_playback(device: str) -> PlaybackPcm:
    """Open a PCM for playing, at the card's own rate where that can be known.

    Raises:
        DeviceError: ``device-missing``, ``device-busy``, ``device-denied`` or ``device-format``.
    """
    return _AlsaPlayback(device, *_open(alsaaudio.PCM_PLAYBACK, device, PLAYBACK_PERIODS))


def probe(device: str, direction: Direction) -> NativeFormat:
    """Open a PCM for a moment and tell what it gave, usable or not.

    Raises:
        DeviceError: it cannot be opened.
    """
    return _probe(_DIRECTIONS[direction], device)


def configured_pcms(direction: Direction) -> list[str]:
    """Return the names of ALSA's configuration that may go in a direction; some of them cannot be opened."""
    return [str(name) for name in alsaaudio.pcms(_DIRECTIONS[direction])]


def mixer_controls(card_index: int) -> list[str]:
    """Return the names of a card's mixer controls; none where the card has no mixer."""
    try:
        return [str(name) for name in alsaaudio.mixers(cardindex=card_index)]
    except alsaaudio.ALSAAudioError:
        return []


def volume_controls(mixer: str) -> list[str]:
    """Return the names of a mixer's controls, by ALSA's name of the mixer; none where there is none."""
    try:
        return [str(name) for name in alsaaudio.mixers(device=mixer)]
    except alsaaudio.ALSAAudioError:
        return []


class VolumeControl:
    """One control of an open mixer, for what is played. Units: decibels; ALSA counts in hundredths of them.

    Raises:
        DeviceError: from every method: the card is gone, or the control moves nothing that is played (``mixer-lost``).
    """

    def __init__(self, mixer: str, name: str) -> None:
        self._place = f"{name!r} of {mixer!r}"
        with self._told():
            self._mixer = alsaaudio.Mixer(control=name, device=mixer)

    def range_db(self) -> tuple[float, float]:
        """Return the lowest and the highest place."""
        with self._told():
            lowest, highest = self._mixer.getrange(pcmtype=alsaaudio.PCM_PLAYBACK, units=alsaaudio.VOLUME_UNITS_DB)
        return lowest / 100, highest / 100

    def db(self) -> float:
        """Return where it stands: of several channels, the loudest."""
        with self._told():
            places = self._mixer.getvolume(pcmtype=alsaaudio.PCM_PLAYBACK, units=alsaaudio.VOLUME_UNITS_DB)
        return float(max(places) / 100)

    def set_db(self, db: float) -> None:
        """Put it as near to a place as it can be, and switch it on where it has a switch."""
        with self._told():
            self._mixer.setvolume(round(100 * db), pcmtype=alsaaudio.PCM_PLAYBACK, units=alsaaudio.VOLUME_UNITS_DB)
            if "Playback Mute" in self._mixer.switchcap():
                self._mixer.setmute(0)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except alsaaudio.ALSAAudioError as error:
            sentence = f"the volume control {self._place} cannot be used: {error}"
            raise DeviceError("mixer-lost", sentence, Remedy.RETRY) from error


def open_control(mixer: str, name: str) -> VolumeControl:
    """Open one control of a mixer.

    Raises:
        DeviceError: it cannot be opened (``mixer-lost``).
    """
    return VolumeControl(mixer, name)


def mixer_state(card_index: int, name: str) -> MixerState:
    """Return how one of a card's mixer controls is set; nothing is known of one that has gone."""
    try:
        mixer = alsaaudio.Mixer(name, cardindex=card_index)
    except alsaaudio.ALSAAudioError:
        return MixerState(name)
    try:
        return read_mixer(name, mixer)
    finally:
        mixer.close()


def read_mixer(name: str, mixer: Any) -> MixerState:
    """Return how a mixer control is set; what it does not have it refuses to tell, and that is left unknown."""

    def ask(question: Callable[[], list[int]]) -> list[int]:
        try:
            return question()
        except alsaaudio.ALSAAudioError:
            return []

    played = ask(lambda: list(mixer.getvolume(alsaaudio.PCM_PLAYBACK)))
    heard = ask(lambda: list(mixer.getvolume(alsaaudio.PCM_CAPTURE)))
    muted, recording = ask(lambda: list(mixer.getmute())), ask(lambda: list(mixer.getrec()))
    return MixerState(
        name,
        playback_percent=max(played) if played else None,
        playback_muted=all(muted) if muted else None,
        capture_percent=max(heard) if heard else None,
        capture_muted=not any(recording) if recording else None,
    )


def _open(direction: int, device: str, periods: int) -> tuple[Any, PcmFormat]:
    """Open, look at what came, and ask once more where asking differently gives what we need."""
    device, rate_hz = _without_conversion(direction, device)
    pcm = _open_once(direction, device, rate_hz, "S16_LE", periods)
    info = pcm.info()
    if info["format_name"] not in SAMPLE_FORMATS or info["period_size"] != _period_frames(info["rate"]):
        # Another format may exist beside the one ALSA picked; the period was counted at a rate the card does not have.
        _shut(pcm)
        wanted = info["format_name"] if info["format_name"] in SAMPLE_FORMATS else "S32_LE"
        pcm = _open_once(direction, device, info["rate"], wanted, periods)
        info = pcm.info()
    try:
        return pcm, _usable_format(device, info)
    except DeviceError:
        _shut(pcm)
        raise


def _without_conversion(direction: int, device: str) -> tuple[str, int]:
    """Return what to open in place of ``plughw:…``, and the rate to ask for.

    ``plughw`` gives any rate by ALSA's own converter. The bare card is as good wherever it speaks a format of ours;
    where it does not, ``plughw`` may change the format, but at the card's rate.
    """
    if not device.startswith("plughw:"):
        return device, PREFERRED_RATE_HZ
    bare = device.removeprefix("plug")
    native = _probe(direction, bare)
    return (bare if native.sample_format in SAMPLE_FORMATS else device), native.rate_hz


def _probe(direction: int, device: str) -> NativeFormat:
    pcm = _open_once(direction, device, PREFERRED_RATE_HZ, "S16_LE", CAPTURE_PERIODS)
    info = pcm.info()
    _shut(pcm)
    return NativeFormat(info["rate"], info["channels"], info["format_name"])


def _period_frames(rate_hz: int) -> int:
    return rate_hz * PERIOD_MS // 1000


def _open_once(direction: int, device: str, rate_hz: int, sample_format: str, periods: int) -> Any:
    try:
        return alsaaudio.PCM(
            type=direction,
            mode=alsaaudio.PCM_NORMAL,
            device=device,
            rate=rate_hz,
            channels=PREFERRED_CHANNELS,
            format=getattr(alsaaudio, f"PCM_FORMAT_{sample_format}"),
            periodsize=_period_frames(rate_hz),
            periods=periods,
        )
    except alsaaudio.ALSAAudioError as error:
        raise error_while_opening(device, str(error)) from error


def _usable_format(device: str, info: dict[str, Any]) -> PcmFormat:
    sample_format = SAMPLE_FORMATS.get(info["format_name"])
    if sample_format is None or info["rate"] not in RATES_HZ or info["channels"] > MAX_CHANNELS:
        gave = f"{info['rate']} Hz, {info['channels']} channels, {info['format_name']}"
        raise DeviceError("device-format", f"the sound device {device!r} runs at {gave}", Remedy.OPERATOR)
    return PcmFormat(info["rate"], info["channels"], sample_format, info["period_size"], info["buffer_size"])


def silence_alsa_messages() -> None:
    """Keep alsa-lib from printing to stderr at every failed open; our own errors say it better.

    It tells its errors while it holds a lock of its own, so who hears them must not be Python: that may let go of the
    interpreter for another thread, which waits for that lock with the interpreter in hand, for ever. So it is told to
    call a function of its own that takes nothing and returns a constant; that more arguments are passed does not
    matter in the calling conventions of x86-64 and AArch64.
    """
    with contextlib.suppress(OSError, AttributeError):  # another libasound: it chatters, nothing worse
        library = ctypes.CDLL("libasound.so.2")
        library.snd_lib_error_set_handler(ctypes.cast(library.snd_asoundlib_version, ctypes.c_void_p))

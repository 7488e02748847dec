"""Opening PCMs of alsa-lib that need no card: what was asked for is not trusted, what fails is sorted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import alsaaudio
import pytest

from speakerd.audio import alsa
from speakerd.audio.pcm_types import MixerState, NativeFormat, PcmFormat
from speakerd.core.errors import DeviceError, Remedy

ALSA_CONF = Path("/usr/share/alsa/alsa.conf")

pytestmark = pytest.mark.skipif(not ALSA_CONF.exists(), reason=f"alsa-lib has no configuration here ({ALSA_CONF})")


@pytest.fixture(autouse=True)
def alsa_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point alsa-lib at a configuration of two PCMs: alsa-lib looks at the variable at every open."""
    path = tmp_path / "asound.conf"
    path.write_text(f"<{ALSA_CONF}>\npcm.anything {{ type null }}\npcm.broken {{ type plug }}\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(path))
    alsa.silence_alsa_messages()


def test_a_period_is_20_ms_and_the_buffers_are_as_designed() -> None:
    """48 kHz stereo, thirty periods to listen and four to play."""
    microphone, loudspeaker = alsa.open_capture("anything"), alsa.open_playback("anything")
    assert microphone.format == PcmFormat(48_000, 2, "S16_LE", 960, 28_800)
    assert loudspeaker.format == PcmFormat(48_000, 2, "S16_LE", 960, 3840)
    assert (loudspeaker.format.frame_bytes, loudspeaker.format.period_bytes) == (4, 3840)
    microphone.close()
    loudspeaker.close()


def test_frames_move_both_ways() -> None:
    """A read gives a period with its count; a write takes what it is given, after a drop too."""
    microphone, loudspeaker = alsa.open_capture("anything"), alsa.open_playback("anything")
    frames, data = microphone.read()
    assert (frames, len(data)) == (960, 3840)
    assert loudspeaker.write(bytes(3840)) == 960
    loudspeaker.drop()
    assert loudspeaker.queued_frames() == 0
    assert loudspeaker.write(memoryview(bytes(3840))) == 960
    microphone.close()
    loudspeaker.close()


def test_a_closed_pcm_is_a_lost_device() -> None:
    """pyalsaaudio's complaint about a closed PCM carries the code of every other loss."""
    microphone = alsa.open_capture("anything")
    microphone.close()
    with pytest.raises(DeviceError) as lost:
        microphone.read()
    assert lost.value.code == "device-lost"


@pytest.mark.parametrize("device", ["nobody", "hw:31", "plughw:CARD=Nobody,DEV=0"])
def test_a_device_that_is_not_there_is_missing(device: str, capfd: pytest.CaptureFixture[str]) -> None:
    """It may come back, the message names it, and alsa-lib prints nothing of its own."""
    with pytest.raises(DeviceError) as missing:
        alsa.open_playback(device)
    assert (missing.value.code, missing.value.remedy) == ("device-missing", Remedy.RETRY)
    assert capfd.readouterr().err == ""


def test_a_configuration_that_makes_no_sense_is_for_the_operator() -> None:
    """Retrying does not help where the configuration is wrong."""
    with pytest.raises(DeviceError) as wrong:
        alsa.open_capture("broken")
    assert (wrong.value.code, wrong.value.remedy) == ("device-format", Remedy.OPERATOR)


def test_the_configuration_can_be_listed_and_probed() -> None:
    """The list of devices rests on these; a machine without a mixer has no mixer controls."""
    assert "anything" in alsa.configured_pcms("capture")
    assert alsa.probe("anything", "playback") == NativeFormat(48_000, 2, "S16_LE")
    assert alsa.mixer_controls(31) == []


class Control:
    """A mixer control; what it does not have it refuses to tell, as pyalsaaudio's do."""

    def __init__(self, **known: list[int]) -> None:
        self._known = known

    def getvolume(self, direction: int) -> list[int]:
        return self._tell("played" if direction == alsaaudio.PCM_PLAYBACK else "heard")

    def getmute(self) -> list[int]:
        return self._tell("muted")

    def getrec(self) -> list[int]:
        return self._tell("recording")

    def _tell(self, what: str) -> list[int]:
        if what not in self._known:
            raise alsaaudio.ALSAAudioError("Mixer has no such switch")
        return self._known[what]


@pytest.mark.parametrize(
    ("control", "state"),
    [
        (Control(played=[40, 60], muted=[0, 1]), MixerState("M", playback_percent=60, playback_muted=False)),
        (Control(played=[60, 60], muted=[1, 1]), MixerState("M", playback_percent=60, playback_muted=True)),
        (Control(heard=[70], recording=[0]), MixerState("M", capture_percent=70, capture_muted=True)),
        (Control(heard=[], recording=[1]), MixerState("M", capture_muted=False)),
        (Control(), MixerState("M")),
    ],
)
def test_a_mixer_control_tells_what_it_has(control: Control, state: MixerState) -> None:
    """The louder channel counts; muted is what no channel plays of."""
    assert alsa.read_mixer("M", control) == state


def test_a_mixer_control_that_is_gone_tells_nothing() -> None:
    assert alsa.mixer_state(31, "Master") == MixerState("Master")


OPEN_AT_ONCE = """
import sys, threading
from speakerd.audio.alsa import open_capture, open_playback, silence_alsa_messages
from speakerd.core.errors import DeviceError

def often(open_pcm):
    for _ in range(100):
        try:
            open_pcm("default")
        except DeviceError:
            pass

silence_alsa_messages()
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=often, args=(each,), daemon=True) for each in (open_capture, open_playback) * 2]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
"""What a daemon does that finds no card at its start, so that whatever can meet does."""


def test_two_cards_that_cannot_be_opened_at_once_hang_nobody(tmp_path: Path) -> None:
    """ALSA tells its errors with a lock held, and whoever hears them must not wait for the interpreter then.

    It hung the start of one daemon in thirty on a busy machine; nothing is printed either.
    """
    no_card = tmp_path / "asound.conf"
    no_card.write_text(f"<{ALSA_CONF}>\ndefaults.pcm.card 31\n")
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(no_card)}
    command = [sys.executable, "-c", OPEN_AT_ONCE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("", "")

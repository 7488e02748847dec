"""Every board of ``hardware/boards`` as its limits on the virtual card."""

from __future__ import annotations

import re
import threading
import tomllib
from pathlib import Path

import alsaaudio
import numpy as np
import pytest

from speakerd.demo.simcard import CardProfile
from tests.fakes.simcards import bench, spread

pytestmark = pytest.mark.timeout(60, method="thread")  # a signal does not wake a call that hangs inside ALSA

BOARDS = sorted((Path(__file__).parents[2] / "hardware" / "boards").glob("*.toml"))
SAMPLES = {"S16_LE": (alsaaudio.PCM_FORMAT_S16_LE, np.int16, 0), "S32_LE": (alsaaudio.PCM_FORMAT_S32_LE, np.int32, 16)}
RAMP_S = 0.5
RAMP_TOP = 20_000

STREAM_KEYS = {"device", "rate_hz", "channels", "format", "period_ms", "periods"}
TABLES = {
    "mixer": {"control", "value", "why"},
    "faults": {"symptom", "cause", "remedy"},
}

every_board = pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)


def load(path):
    """Read a profile."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def exactly(stream, **hearing):
    """Return a card that can do what this board's stream does and nothing else."""
    rate_hz, channels = stream["rate_hz"], stream["channels"]
    return CardProfile(rate_hz, rate_hz, channels, channels, stream["format"], **hearing)


def test_there_are_boards():
    """The folder holds a profile for each board we have firm facts of."""
    assert len(BOARDS) == 10


@every_board
def test_profile_is_complete(path):
    """A profile has every key of the README, and nothing is identified by a card's number."""
    board = load(path)
    assert {"name", "codec", "status", "unverified", "same_clock", "same_rate", "hardware_aec"} <= set(board)
    assert board["status"] in {"from-source", "reported"} or board["status"].startswith("verified-on-device")
    assert set(board["match"]) & {"i2c_address", "usb_id", "card_id"}
    assert {"config_txt", "seen_on"} <= set(board["boot"])
    assert set(board["capture"]) == STREAM_KEYS | {"use_channel"}
    assert set(board["playback"]) == STREAM_KEYS
    assert 0 <= board["capture"]["use_channel"] < board["capture"]["channels"]
    assert "control" in board["volume"]
    for table, keys in TABLES.items():
        assert all(set(row) == keys for row in board.get(table, []))
    for stream in (board["capture"], board["playback"]):
        assert re.fullmatch(r"hw:CARD=[A-Za-z]\w*,DEV=0", stream["device"])
        assert f"CARD={board['match']['card_id']}," in stream["device"]
    if board["same_rate"]:
        assert board["capture"]["rate_hz"] == board["playback"]["rate_hz"]
        assert board["capture"]["format"] == board["playback"]["format"]


@every_board
def test_unverified_keys_exist(path):
    """What is called unverified is in the profile."""
    board = load(path)
    for dotted in board["unverified"]:
        table, _, key = dotted.partition(".")
        part = board.get(table, [] if table == "mixer" else None)
        assert part is not None, dotted
        if key:
            rows = part if isinstance(part, list) else [part]
            assert any(key in row for row in rows), dotted


@every_board
def test_board_opens_as_it_is_and_a_ramp_comes_back(path, tmp_path, monkeypatch):
    """Whatever is asked, the card opens as the board is; a ramp comes back on the microphone's channel only."""
    board = load(path)
    capture, playback = board["capture"], board["playback"]
    hears = exactly(capture, use_channel=capture["use_channel"], echo_gain_db=0.0, echo_delay_ms=5.0)
    with bench(tmp_path, monkeypatch, card=hears, playback_card=exactly(playback)) as set_up:
        asked = {"sample_format": alsaaudio.PCM_FORMAT_S16_LE}
        for given, stream in (
            (set_up.capture(24_000, 1, **asked), capture),
            (set_up.playback(24_000, 1, **asked), playback),
        ):
            info = given.info()
            assert (info["rate"], info["channels"]) == (stream["rate_hz"], stream["channels"])
            assert info["format_name"] == stream["format"]
            given.close()
        mic, speaker = open_as(set_up.capture, capture), open_as(set_up.playback, playback)
        assert mic.info()["period_size"] == capture["rate_hz"] * capture["period_ms"] // 1000
        heard = send_ramp(speaker, playback, mic, capture)
    others = np.delete(heard, capture["use_channel"], axis=1)
    assert not others.any()
    assert_is_ramp(heard[:, capture["use_channel"]], capture["rate_hz"])


def open_as(opener, stream):
    """Open a stream as its profile says."""
    return opener(
        stream["rate_hz"],
        stream["channels"],
        sample_format=SAMPLES[stream["format"]][0],
        periods=stream["periods"],
        period_ms=stream["period_ms"],
    )


def send_ramp(speaker, playback, mic, capture):
    """Play a ramp and return what was captured meanwhile, in 16-bit units, one column per channel."""
    _, dtype, shift = SAMPLES[playback["format"]]
    frames = int(playback["rate_hz"] * RAMP_S)
    ramp = np.linspace(0, RAMP_TOP, frames).astype(dtype) << shift
    blocks = [spread(block, playback["channels"]) for block in ramp.reshape(-1, speaker.info()["period_size"])]
    written = []
    writer = threading.Thread(target=lambda: written.extend(speaker.write(block) for block in blocks))
    writer.start()
    read = [mic.read() for _ in range(round(RAMP_S * 1000 / capture["period_ms"]) + 8)]
    writer.join()
    assert sum(written) == frames
    assert min(count for count, _ in read) > 0
    _, dtype, shift = SAMPLES[capture["format"]]
    samples = np.frombuffer(b"".join(block for _, block in read), dtype).reshape(-1, capture["channels"])
    return samples.astype(np.int32) >> shift


def assert_is_ramp(mono, rate_hz):
    """Between a tenth and nine tenths of its height it is a straight line of the right slope."""
    top = int(np.argmax(mono))
    inside = np.arange(top - int(0.8 * RAMP_S * rate_hz), top - int(0.1 * RAMP_S * rate_hz))
    slope, offset = np.polyfit(inside, mono[inside], 1)
    assert slope * rate_hz == pytest.approx(RAMP_TOP / RAMP_S, rel=0.001)
    assert np.abs(mono[inside] - (slope * inside + offset)).max() < 3

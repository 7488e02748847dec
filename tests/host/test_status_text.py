"""The status as people read it."""

from __future__ import annotations

import re

import pytest

from speakerd.host.status_text import METER_CELLS, format_line, format_status, meter, span

CARD = {
    "device": "plughw:CARD=Array,DEV=0",
    "found": True,
    "trouble": None,
    "losses": 1,
    "rate_hz": 48_000,
    "channels": 2,
    "sample_format": "S16_LE",
    "buffer_frames": 3840,
    "xruns": 2,
    "level_dbfs": -40.3,
}
STATUS = {
    "line": 'listening for "hey jarvis"',
    "trouble": None,
    "barge_in": "speech",
    "uptime_s": 93_600.0,
    "line_since_s": 125.0,
    "microphone": CARD | {"channel": 0, "echo": {"described": "echo removed by 30 dB"}},
    "loudspeaker": CARD | {"starvations": 3, "level_dbfs": -120.0},
    "volume": {"percent": 50, "by": "PCM"},
    "wake": {"models": ["hey_jarvis"], "last_score": 0.031, "near_misses": 4, "engine": "lean", "gate_open": False},
    "last_turn": {"ended": "answered", "ago_s": 61.0, "open_ms": 0, "reply_ms": 640, "audible_ms": None},
    "sign_in": {"method": "device_code", "state": "ok", "account": "a@b.example", "token_valid_for_s": 3000.0},
    "link": {"state": "closed", "sessions": 7, "handshake_ms": 120, "late_deltas": 5},
    "spend": {"usd": 0.0123, "turns": 9, "daily_usd": 2.0, "over_budget": False},
    "configuration": {"provider": "azure", "model": "gpt-realtime", "voice": "marin", "transcripts": False},
}
PAGE = """listening for "hey jarvis"
  since          2 min like this, 1 d 2 h since the start
  microphone     plughw:CARD=Array,DEV=0: 48000 Hz, 2 channels, S16_LE, buffer 80 ms, hears channel 0
                 -40 dBFS
  loudspeaker    plughw:CARD=Array,DEV=0: 48000 Hz, 2 channels, S16_LE, buffer 80 ms
                 silent, volume 50 (PCM)
  wake word      hey jarvis: last score 0.03, 4 near misses, engine lean, resting while it is quiet
  interrupted by speech (echo removed by 30 dB)
  last turn      answered 1 min ago, session open in 0 ms, first sound of the reply after 640 ms
  sign-in        ok as a@b.example (device_code), token for another 50 min
  session        closed; 7 since the start, the last one reached in 120 ms
  spent today    about 0.0123 USD in 9 turns, of 2.00 USD a day (1%)
  counters       4 xruns, 3 gaps in replies, 2 cards lost, 5 late pieces of a reply
  configuration  azure gpt-realtime, voice marin"""


def test_the_page_says_what_one_asks_first():
    """The true line, then a row a group, and nothing that is there for programs."""
    assert format_status(STATUS) == PAGE


def test_what_is_not_there_is_not_on_the_page():
    """A daemon of another version may say less."""
    assert format_status({"line": "muted"}).splitlines() == [
        "muted",
        "  last turn      none yet",
        "  counters       0 xruns, 0 gaps in replies, 0 cards lost, 0 late pieces of a reply",
    ]


@pytest.mark.parametrize(
    ("differs", "row"),
    [
        ({"trouble": "link-dns"}, "2 min like this, 1 d 2 h since the start, last trouble: link-dns"),
        ({"microphone": {"device": "hw:9", "found": False, "trouble": "no such card"}}, "hw:9: no such card"),
        ({"microphone": {"device": "hw:9", "found": False, "trouble": None}}, "hw:9: not opened yet"),
        ({"volume": {"percent": 30, "by": "software"}}, "silent, volume 30"),
        ({"volume": {"percent": None, "by": "mixer gone"}}, "silent, volume - (mixer gone)"),
        ({"sign_in": {"method": "none"}}, "none"),
        ({"sign_in": {"method": "api_key", "code": "x", "message": "no such file"}}, "api_key: no such file"),
        (
            {"sign_in": {"method": "device_code", "state": "sign-in-required", "message": "revoked"}},
            "sign-in-required (device_code), no token: revoked",
        ),
        (
            {"sign_in": {"method": "certificate", "state": "ok", "token_valid_for_s": -1.0}},
            "ok (certificate), token run out",
        ),
        ({"spend": {"usd": 0.5, "turns": 1, "daily_usd": None}}, "about 0.5000 USD in 1 turn, no budget"),
        ({"wake": {"models": ["a", "b"], "last_score": None}}, "a or b: last score -, 0 near misses, engine None"),
        (
            {"wake": {"models": ["/home/my_models/hey_computer.onnx"], "last_score": 0.1}},
            "hey computer: last score 0.10, 0 near misses, engine None",
        ),
    ],
)
def test_a_row_says_what_is_so(differs, row):
    """In words."""
    assert row in [line[17:] for line in format_status(STATUS | differs).splitlines()[1:]]


def test_a_session_says_its_age_and_its_end():
    """And what was wrong with it."""
    link = {"state": "up", "age_s": 70, "expires_at": 1_800_000_000, "degraded": True, "sessions": 1}
    page = format_status(STATUS | {"link": link})
    assert re.search(
        r"session +up for 1 min, ends \d\d:\d\d, with the minimum: the service refused .*; 1 since the start\n", page
    )


def test_transcripts_in_the_journal_are_told():
    """Whoever lives with the speaker may want to know."""
    assert "transcripts in the journal" in format_status(STATUS | {"configuration": {"transcripts": True}})


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min"), (3_720, "1 h 2 min"), (180_000, "2 d 2 h")]
)
def test_a_span_is_written_as_people_say_it(seconds, said):
    """The two largest units."""
    assert span(seconds) == said


@pytest.mark.parametrize(("dbfs", "cells"), [(-120.0, 0), (-72.0, 0), (-36.0, 12), (0.0, 24), (3.0, 24)])
def test_a_meter_shows_a_level(dbfs, cells):
    """From a quiet room to full scale."""
    assert meter(dbfs) == "[" + "#" * cells + "." * (METER_CELLS - cells) + "]"


def test_a_line_for_a_log():
    """Time, the true line, levels."""
    line = format_line(STATUS)
    assert re.fullmatch(
        r'\d\d:\d\d:\d\d  listening for "hey jarvis"  '
        r"\(microphone -40 dBFS, loudspeaker silent, wake word 0\.03\)",
        line,
    )
    assert format_line({}).endswith("(microphone -, loudspeaker -, wake word -)")

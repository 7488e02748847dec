"""``speakerd status`` as a page for people, and as one line for a log. What it says is the daemon's, as plain data.

The page has room for what one asks first; everything there is stands in ``status --json``. A daemon of another version
may leave something out: then it is not on the page.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

Status = Mapping[str, Any]
"""What the daemon says of itself, or a part of it."""

METER_FLOOR_DBFS = -72.0
"""Where a level meter begins: a quiet room (chosen; a good microphone hears one at -70 to -60)."""

METER_CELLS = 24
"""How wide a meter is: 3 dB each (chosen)."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

_NAME_WIDTH = 15


def format_status(status: Status, *, meters: bool = False) -> str:
    """Write the page: the one true line first, then a row a group.

    Args:
        status: What the daemon says.
        meters: Draw the levels, for a page that is drawn again and again.
    """
    rows = [(name, text) for name, text in _rows(status, meters=meters) if text]
    return "\n".join([str(status.get("line", "")), *(f"  {name:{_NAME_WIDTH}}{text}" for name, text in rows)])


def format_line(status: Status) -> str:
    """Write one line, for a watch that does not end on a terminal."""
    microphone, speaker, wake = (_part(status, name) for name in ("microphone", "loudspeaker", "wake"))
    levels = f"microphone {_dbfs(microphone)}, loudspeaker {_dbfs(speaker)}, wake word {_score(wake)}"
    return f"{time.strftime('%H:%M:%S')}  {status.get('line', '')}  ({levels})"


def span(seconds: float) -> str:
    """Write how long something is, as people say it: the two largest units."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def meter(dbfs: float) -> str:
    """Draw a level."""
    filled = round(METER_CELLS * (1 - dbfs / METER_FLOOR_DBFS)) if dbfs > METER_FLOOR_DBFS else 0
    filled = min(METER_CELLS, filled)
    return "[" + "#" * filled + "." * (METER_CELLS - filled) + "]"


def _rows(status: Status, *, meters: bool) -> Iterator[tuple[str, str]]:
    yield "since", _since(status)
    microphone, speaker = _part(status, "microphone"), _part(status, "loudspeaker")
    yield "microphone", _card(microphone)
    yield "", _level(microphone, meters=meters)
    yield "loudspeaker", _card(speaker)
    yield "", _level(speaker, meters=meters, volume=_part(status, "volume"))
    yield "wake word", _wake(_part(status, "wake"))
    yield "interrupted by", _barge_in(status, microphone)
    yield "last turn", _turn(_part(status, "last_turn"))
    yield "sign-in", _sign_in(_part(status, "sign_in"))
    yield "session", _session(_part(status, "link"))
    yield "spent today", _spend(_part(status, "spend"))
    yield "counters", _counters(status)
    yield "configuration", _configuration(_part(status, "configuration"))


def _part(status: Status, name: str) -> Status:
    part = status.get(name)
    return part if isinstance(part, Mapping) else {}


def _since(status: Status) -> str:
    lines = [("line_since_s", "{} like this"), ("uptime_s", "{} since the start")]
    said = [words.format(span(status[key])) for key, words in lines if key in status]
    trouble = status.get("trouble")
    return ", ".join([*said, *([f"last trouble: {trouble}"] if trouble else [])])


def _card(card: Status) -> str:
    if not card:
        return ""
    if not card.get("found"):
        return f"{card.get('device')}: {card.get('trouble') or 'not opened yet'}"
    channel = f", hears channel {card['channel']}" if "channel" in card else ""
    rate, channels, form = (card.get(key) for key in ("rate_hz", "channels", "sample_format"))
    buffer_ms = 1000 * card["buffer_frames"] // rate if rate and card.get("buffer_frames") else None
    buffer = "" if buffer_ms is None else f", buffer {buffer_ms} ms"
    return f"{card.get('device')}: {rate} Hz, {channels} channels, {form}{buffer}{channel}"


def _level(card: Status, *, meters: bool, volume: Status | None = None) -> str:
    if not card.get("found") or "level_dbfs" not in card:
        return ""
    drawn = f"{meter(card['level_dbfs'])} " if meters else ""
    loud = ""
    if volume:
        made_by = "" if volume.get("by") == "software" else f" ({volume.get('by')})"
        loud = f", volume {_or_dash(volume.get('percent'))}{made_by}"
    return f"{drawn}{_dbfs(card)}{loud}"


def _dbfs(card: Status) -> str:
    level = card.get("level_dbfs")
    return "-" if level is None else "silent" if level <= METER_FLOOR_DBFS else f"{level:.0f} dBFS"


def _score(wake: Status) -> str:
    score = wake.get("last_score")
    return "-" if score is None else f"{score:.2f}"


def _wake(wake: Status) -> str:
    if not wake:
        return ""
    words = " or ".join(PurePath(word).stem.replace("_", " ") for word in wake.get("models", []))
    asleep = "" if wake.get("gate_open", True) else ", resting while it is quiet"
    misses = wake.get("near_misses", 0)
    return f"{words}: last score {_score(wake)}, {misses} near misses, engine {wake.get('engine')}{asleep}"


def _barge_in(status: Status, microphone: Status) -> str:
    kind = status.get("barge_in")
    described = _part(microphone, "echo").get("described")
    why = f" ({described})" if described else ""
    return "" if kind is None else f"{str(kind).replace('_', ' ')}{why}"


def _turn(turn: Status) -> str:
    if not turn:
        return "none yet"
    spans = [("open_ms", "session open in"), ("reply_ms", "first sound of the reply after"), ("audible_ms", "heard in")]
    latencies = [f"{words} {turn[key]} ms" for key, words in spans if turn.get(key) is not None]
    return ", ".join([f"{turn.get('ended')} {span(turn.get('ago_s', 0))} ago", *latencies])


def _sign_in(sign_in: Status) -> str:
    if not sign_in:
        return ""
    method, state = sign_in.get("method"), sign_in.get("state")
    if state is None:
        return f"{method}" + (f": {sign_in['message']}" if sign_in.get("message") else "")
    account = f" as {sign_in['account']}" if sign_in.get("account") else ""
    left = sign_in.get("token_valid_for_s")
    token = "no token" if left is None else f"token for another {span(left)}" if left > 0 else "token run out"
    message = f": {sign_in['message']}" if sign_in.get("message") else ""
    return f"{state}{account} ({method}), {token}{message}"


def _session(link: Status) -> str:
    if not link:
        return ""
    state = str(link.get("state"))
    if link.get("age_s") is not None:
        state += f" for {span(link['age_s'])}"
    if link.get("expires_at"):
        state += f", ends {time.strftime('%H:%M', time.localtime(link['expires_at']))}"
    handshake = "" if link.get("handshake_ms") is None else f", the last one reached in {link['handshake_ms']} ms"
    degraded = ", with the minimum: the service refused the configuration" if link.get("degraded") else ""
    return f"{state}{degraded}; {link.get('sessions', 0)} since the start{handshake}"


def _spend(spend: Status) -> str:
    if not spend:
        return ""
    daily = spend.get("daily_usd")
    budget = "no budget" if daily is None else f"of {daily:.2f} USD a day ({spend['usd'] / daily:.0%})"
    turns = spend.get("turns", 0)
    return f"about {spend.get('usd', 0):.4f} USD in {turns} {'turn' if turns == 1 else 'turns'}, {budget}"


def _counters(status: Status) -> str:
    microphone, speaker, link = (_part(status, name) for name in ("microphone", "loudspeaker", "link"))
    counted = {
        "xruns": microphone.get("xruns", 0) + speaker.get("xruns", 0),
        "gaps in replies": speaker.get("starvations", 0),
        "cards lost": microphone.get("losses", 0) + speaker.get("losses", 0),
        "late pieces of a reply": link.get("late_deltas", 0),
    }
    return ", ".join(f"{number} {name}" for name, number in counted.items())


def _configuration(settings: Status) -> str:
    if not settings:
        return ""
    transcripts = ", transcripts in the journal" if settings.get("transcripts") else ""
    return f"{settings.get('provider')} {settings.get('model')}, voice {settings.get('voice')}{transcripts}"


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)

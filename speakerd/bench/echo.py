"""``speakerd bench echo``: replies in a room whose echo is as loud as a user, and nobody who speaks over them.

Whatever the service then takes for speech, and whatever wakes the daemon, is the loudspeaker's own voice. Every reply
begins with the wake word. Speech may cut a reply all the while: that the daemon might choose otherwise in such a room
is no excuse here.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakerd.bench.chances import at_most
from speakerd.bench.figures import Figure, format_table, holds, machine
from speakerd.bench.service import serving
from speakerd.core.errors import SpeakerdError
from speakerd.core.pcm import rms_dbfs
from speakerd.demo.process import StageError
from speakerd.demo.room import ROOM_RATE_HZ
from speakerd.demo.simcard import CardProfile
from speakerd.demo.stage import Stage

QUESTIONS = ("Tell me a joke.", "Tell me a long story.", "Who are you?", "Please count to fifty.")
"""What is asked, round and round; the answers last from five seconds to fifty."""

OPENING = "Hey Jarvis."
"""What every reply begins with."""

CONFIG: dict[str, Any] = {
    "assistant": {"instructions": f'Begin every answer with "{OPENING}"'},
    "audio": {"echo_cancellation": "on"},
    "conversation": {"barge_in": "speech"},
}
"""What the bench changes in the stage's configuration."""

REVERBERATION_S = 0.3
"""How long a sound takes to fade by 60 dB: a furnished living room (specified)."""

_DIRECT, _REVERBERANT = 0.7, 0.3
"""How the echo's energy is shared: the microphone stands beside the loudspeaker (guessed)."""

_DELAY_MS, _NOISE_DBFS = 12.0, -65.0
"""From the loudspeaker to the microphone, buffers of a sound card included; the room's noise (guessed)."""

_FRAME = ROOM_RATE_HZ // 50
_VOICED_DBFS = -45.0
"""Frames of 20 ms louder than this are speech, for the level of a voice (guessed: 30 dB below it)."""

_AFTER_S = 2.0
"""How long after a reply its tail is watched; a room of 0.3 s is silent by then."""

SEED = 1
"""The room that is measured unless another is asked for (chosen)."""

_ANSWER_S, _REPLY_S = 20.0, 240.0
"""How long a reply may take to begin and to be over (guessed; the longest takes 50 s)."""

_CHIME_S = 0.8
"""Between the request for attention and the question (guessed)."""

_MISSES_MAX = 3
"""So many questions without an answer in a row are given up."""

_POLL_S = 0.25
"""How often the daemon is asked whether it has done (chosen)."""


@dataclass(slots=True)
class Watched:
    """What happened while nobody spoke."""

    replies: int = 0
    """That were begun."""

    named: int = 0
    """Of those, with the wake word in them."""

    replied_s: float = 0.0
    """How long the loudspeaker spoke."""

    barge_ins: int = 0
    """How often the service took that for a user."""

    cuts: int = 0
    """How often a reply was cut for it."""

    wakes: int = 0
    """How often the daemon took it for its wake word."""

    xruns: int = 0
    """How often the card ran over or dry: a busy machine's fault, and the canceller loses its place by it."""

    echo_db: float | None = None
    """How much louder than the user the microphone heard the loudspeaker."""


def measure(out: Path, minutes: float, say: Callable[[str], None], *, seed: int = SEED) -> bool:
    """Play replies and count what nobody said.

    Args:
        out: Where ``echo.json`` and the logs are written; made if missing.
        minutes: How long the loudspeaker is to speak, all replies together.
        say: Told what happens.
        seed: Which room.

    Returns:
        Whether no target was missed.
    """
    (out / "logs").mkdir(parents=True, exist_ok=True)
    before = machine()
    watched: Watched | None = None
    try:
        watched = asyncio.run(_measure(out / "logs", minutes * 60, say, seed))
    except SpeakerdError as error:
        if error.code != "embedded-tier":
            say(f"the bench broke off: {error}")
            return False
        say(f"nothing could be measured: {error}")
    rows = figures(watched)
    data = {
        **before,
        "seed": seed,
        "figures": [row.shown() for row in rows],
        "watched": asdict(watched) if watched else None,
    }
    (out / "echo.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    say("")
    say(format_table(rows))
    say(f"written to {out / 'echo.json'}")
    return holds(rows)


def figures(watched: Watched | None) -> list[Figure]:
    """Return the rows beside their targets; None: no voice could be had."""
    if watched is None:
        return [Figure("false barge-ins", None, "", 0), Figure("false wakes", None, "", 0)]
    hours = watched.replied_s / 3600
    rows = [
        Figure(f"replies, {watched.named} of them with the wake word", watched.replies, ""),
        Figure("the loudspeaker spoke", round(watched.replied_s / 60, 2), "min"),
        Figure("echo at the microphone beside the user", watched.echo_db, "dB"),
        Figure("overruns and underruns of the card", watched.xruns, ""),
        Figure("replies cut", watched.cuts, ""),
    ]
    for name, count in (("false barge-ins", watched.barge_ins), ("false wakes", watched.wakes)):
        rows.append(Figure(name, count if hours else None, "", 0))
        rows.append(Figure(f"{name} an hour", round(count / hours, 1) if hours else None, ""))
        rows.append(Figure(f"{name} an hour, at most (95 %)", at_most(count) / hours if hours else None, ""))
    return rows


def room_response(seed: int = SEED) -> NDArray[np.float32]:
    """Return a room's impulse response at ``ROOM_RATE_HZ``: the direct sound, then dying noise; its energy is 1."""
    frames = round(REVERBERATION_S * ROOM_RATE_HZ)
    decay = 10 ** (-3.0 * np.arange(frames) / frames)
    tail = np.random.default_rng(seed).standard_normal(frames) * decay
    tail *= math.sqrt(_REVERBERANT / float(np.sum(tail**2)))
    tail[0] = math.sqrt(_DIRECT)
    response: NDArray[np.float32] = (tail / math.sqrt(float(np.sum(tail**2)))).astype(np.float32)
    return response


def voice_dbfs(pcm: NDArray[np.int16]) -> float:
    """Return the level of a voice at ``ROOM_RATE_HZ``, its pauses left out."""
    whole = pcm[: len(pcm) // _FRAME * _FRAME].reshape(-1, _FRAME)
    voiced = [frame for frame in whole if rms_dbfs(frame) >= _VOICED_DBFS]
    return rms_dbfs(np.concatenate(voiced)) if voiced else rms_dbfs(pcm)


async def _measure(logs: Path, length_s: float, say: Callable[[str], None], seed: int) -> Watched:
    async with serving("neural", logs / "service.log") as service:
        user_dbfs, reply_dbfs = await asyncio.to_thread(_levels)
        response = logs / "room.f32"
        await asyncio.to_thread(response.write_bytes, room_response(seed).tobytes())
        card = CardProfile(
            echo_gain_db=user_dbfs - reply_dbfs, echo_delay_ms=_DELAY_MS, rir=response, noise_dbfs=_NOISE_DBFS
        )
        config = {**CONFIG, "service": {"endpoint": service.url}}
        room_s = 4 * length_s + 4 * _REPLY_S
        async with Stage(logs / "stage", config=config, card=card, room_s=room_s, start_service=False) as stage:
            for question in QUESTIONS:
                await asyncio.to_thread(stage.prepare, question)
            return await _watch(stage, length_s, say)


def _levels() -> tuple[float, float]:
    """Return how loud the user speaks and how loud the service replies. Heavy: a second."""
    from speakerd.core.units import WIRE_RATE_HZ
    from speakerd.demo.mouth import find_mouth
    from speakerd.demo.room import resample
    from speakerd.embedded.knowledge import STORY
    from speakerd.embedded.voice import HibariVoice

    user = np.concatenate([find_mouth().speak(question) for question in QUESTIONS])
    voice = HibariVoice()
    reply = np.frombuffer(b"".join(voice.speak(each, 1.0) for each in voice.sentences(STORY)[:4]), "<i2")
    return voice_dbfs(user), voice_dbfs(resample(reply, WIRE_RATE_HZ, ROOM_RATE_HZ))


async def _watch(stage: Stage, length_s: float, say: Callable[[str], None]) -> Watched:
    """Ask until the loudspeaker has spoken long enough, and count what happens after each question."""
    watched = Watched()
    users, replies, misses = [], [], 0
    for question in itertools.cycle(QUESTIONS):
        if watched.replied_s >= length_s:
            break
        if (await stage.status())["phase"] == "idle":
            await stage.tell("wake")
            await asyncio.sleep(_CHIME_S)
        _, said_s = stage.say(question)
        await stage.until(said_s)
        try:
            audible = await stage.wait_for("audible", after_s=said_s, timeout_s=_ANSWER_S)
        except StageError as error:
            misses += 1
            if error.code != "stage-missed" or misses >= _MISSES_MAX:
                raise
            say(f"no answer to: {question}")
            continue
        misses = 0
        end_s = await _settled(stage)
        reply = await asyncio.to_thread(stage.room.heard, audible["t"], end_s)
        spoken_s = sum(end - begin for begin, end in stage.room.audible_spans(audible["t"], end_s, gap_ms=700))
        _count(watched, stage, said_s, audible["t"], spoken_s)
        users.append(stage.prepare(question))
        replies.append(voice_dbfs(reply))
        counted = f"{watched.barge_ins} false barge-ins, {watched.wakes} false wakes"
        say(f"{watched.replied_s / 60:4.1f} of {length_s / 60:g} min of replies: {counted}")
    watched.xruns = stage.room.xruns("capture") + stage.room.xruns("playback")
    assert stage.card.echo_gain_db is not None
    user_dbfs = voice_dbfs(np.concatenate(users))
    watched.echo_db = round(float(np.mean(replies)) + stage.card.echo_gain_db - user_dbfs, 1)
    return watched


async def _settled(stage: Stage) -> float:
    """Wait until the daemon has done with a reply and its tail is over; return when that was."""
    end_s = stage.room.now_s() + _REPLY_S
    since_s: float | None = None
    while stage.room.now_s() < end_s:
        now_s = stage.room.now_s()
        if (await stage.status())["phase"] not in ("idle", "follow-up"):
            since_s = None
        elif since_s is None:
            since_s = now_s
        elif now_s - since_s >= _AFTER_S:
            return now_s
        await asyncio.sleep(_POLL_S)
    raise StageError("stage-missed", f"the daemon had not done with a reply within {_REPLY_S:.0f} s")


def _count(watched: Watched, stage: Stage, said_s: float, audible_s: float, spoken_s: float) -> None:
    """Add what happened since a question was said; nobody has spoken since."""
    words = [mark["text"] for mark in stage.marks("transcript", after_s=said_s) if mark["role"] == "assistant"]
    watched.replies += 1
    watched.named += any("jarvis" in text.lower() for text in words)
    watched.replied_s += spoken_s
    watched.barge_ins += len(stage.marks("speech_started", after_s=audible_s))
    watched.cuts += sum(mark["audible"] for mark in stage.marks("flush", after_s=audible_s))
    watched.wakes += len(stage.marks("wake", after_s=said_s))

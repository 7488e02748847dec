"""The conversations of ``speakerd bench latency``: the same one with the daemon and with the least program of its kind.

Somebody asks, talks over the answer, and hears the next one to its end. What is waited for is seen on the line and in
the room, never taken from a client's word. What the figures are made of is ``hops.py``'s business.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from speakerd.bench import bare
from speakerd.bench.hops import Said, Talk
from speakerd.bench.sound import Sound
from speakerd.bench.wire_tap import DELTA, SPEECH_STARTED, Message, WireTap
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.demo.process import Child, StageError
from speakerd.demo.room import ROOM_RATE_HZ, resample
from speakerd.demo.stage import Stage
from speakerd.realtime.spec import SessionSpec

WORD, COMMAND, INTERRUPTION = "Hey Jarvis", "What time is it?", "Wait, what is the capital of France?"
"""What is said. The word is a recording of its own, so that its true end is known."""

REPLY = "This answer is long enough to be interrupted, and the next one is as long."
"""Every answer, hummed for four and a half seconds without a pause, so that the moment of silence is exact."""

CONFIG: dict[str, Any] = {"conversation": {"follow_up_s": 1.0}}
"""What the bench changes in the stage's configuration: conversations follow quickly."""

PAUSE_S = 0.8
"""Between the word and the command of somebody who waits for a chime (guessed)."""

_INTO_REPLY_S = 1.5
"""When the reply is talked over: what a buffer holds is long played then (chosen)."""

_LEAD_S = 0.3
"""Before the first word (chosen)."""

_ANSWER_S = 15.0
"""How long a reply may take to begin: the turn's silence on a busy machine (guessed)."""

_CUT_S = 5.0
"""How long a voice may last over a reply before the service notices (guessed)."""

_AFTER_S = 0.6
"""How long the room is listened to behind the last reply: what comes late is heard, a closing chime is not (chosen)."""

_REST_S = 1.0
"""Between two conversations of a session that stays open (chosen)."""


async def with_daemon(stage: Stage, tap: WireTap, count: int, noted: Callable[[], None]) -> list[Talk]:
    """Hold conversations with the daemon; every other one has a pause behind the wake word.

    Args:
        stage: With the daemon running; its service is reached through the tap.
        tap: On its line.
        count: How many.
        noted: Called after each.

    Raises:
        StageError: something that must happen did not.
    """
    talks = []
    for number in range(count):
        begun_s = stage.room.now_s()
        talk = await hold(stage, tap, stage.daemon, pause_s=PAUSE_S if number % 2 else 0.0)
        await stage.wait_for("state", after_s=talk.interruption.end_s, after="idle", timeout_s=_ANSWER_S)
        talk.marks = stage.marks(after_s=begun_s)
        talks.append(talk)
        noted()
    return talks


async def with_bare(stage: Stage, tap: WireTap, count: int, noted: Callable[[], None]) -> list[Talk]:
    """Hold the same conversations with the bare program, which needs no wake word; arguments as ``with_daemon``.

    Raises:
        StageError: something that must happen did not.
    """
    session = json.dumps(SessionSpec(noise_reduction=None).full())
    url = f"{tap.url}/realtime?model=gpt-realtime"
    talks: list[Talk] = []
    if not count:
        return talks
    async with bare.running(stage, "bare-conversation", bare.CONVERSE, url, session) as child:
        for _ in range(count):
            await stage.until(stage.room.now_s() + _REST_S)
            talks.append(await hold(stage, tap, child, pause_s=None))
            noted()
    return talks


def rehearse(stage: Stage) -> None:
    """Synthesise what is said, so that nobody waits for it. Heavy: a second or two."""
    for words in (WORD, COMMAND, INTERRUPTION):
        stage.prepare(words)


async def hold(stage: Stage, tap: WireTap, client: Child, pause_s: float | None) -> Talk:
    """Hold one conversation with any program whose line the tap is on.

    Args:
        stage: With the program in its room.
        tap: On its line; what it noted before is forgotten.
        client: The program, which must stay alive.
        pause_s: Behind the wake word; None: there is none, the session is open.

    Raises:
        StageError: something that must happen did not.
    """
    tap.messages.clear()
    at_s = stage.room.now_s() + _LEAD_S
    word_end_s = None
    if pause_s is not None:
        _, word_end_s = stage.say(WORD, at_s=at_s)
        at_s = word_end_s + pause_s
    command = _say(stage, COMMAND, at_s)
    await stage.until(command.end_s)
    first = await tap.wait_for(DELTA, after_s=command.end_s, timeout_s=_ANSWER_S, check=client.require_alive)
    interruption = _say(stage, INTERRUPTION, first.at_s + _INTO_REPLY_S)
    await stage.until(interruption.begin_s)
    await tap.wait_for(SPEECH_STARTED, after_s=interruption.begin_s, timeout_s=_CUT_S, check=client.require_alive)
    await stage.until(interruption.end_s)
    second = await tap.wait_for(DELTA, after_s=interruption.end_s, timeout_s=_ANSWER_S, check=client.require_alive)
    done = await tap.wait_for("response.done", after_s=second.at_s, timeout_s=_ANSWER_S, check=client.require_alive)
    played_s = second.at_s + _length_s(tap, second, done) + _AFTER_S
    await stage.until(played_s)
    heard = Sound(command.begin_s, ROOM_RATE_HZ, stage.room.heard(command.begin_s, played_s))
    return Talk(word_end_s, pause_s == 0.0, command, interruption, list(tap.messages), heard)


def _say(stage: Stage, words: str, at_s: float) -> Said:
    pcm = stage.prepare(words)
    begin_s, end_s = stage.say(pcm, at_s=at_s)
    return Said(begin_s, end_s, resample(pcm, stage.speech_rate_hz, WIRE_RATE_HZ))


def _length_s(tap: WireTap, first: Message, done: Message) -> float:
    """Return how long the reply lasts that begins with a delta."""
    if done.fields["response"]["status"] != "completed":
        raise StageError("stage-answer", f"the second answer ended {done.fields['response']['status']}")
    deltas = [each.fields for each in tap.since(first.at_s, DELTA)]
    size = sum(len(each["delta"]) for each in deltas if each["item_id"] == first.fields["item_id"])
    return size * 3 / 4 / SAMPLE_BYTES / WIRE_RATE_HZ

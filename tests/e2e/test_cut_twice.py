"""A long answer is cut, the next one is cut as well, the third is heard."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.units import WIRE_RATE_HZ
from speakerd.demo.room import ROOM_RATE_HZ, resample
from tests.fakes.room_tools import find
from tests.fakes.stories import through
from tests.fakes.tap import Tap

LONG = 4 * "This answer is so long that nobody listens to its end but somebody says a word into it while it goes on "
"""Hummed without a pause, so that the moment of silence is exact; it still comes in when it is cut."""

LAST = "This is the answer that is heard as a whole."
LATE = 5
"""Deltas of a cut answer that come all the same."""

HALF_S, FIFTH_S = ROOM_RATE_HZ // 2, ROOM_RATE_HZ // 5
REPEAT = int(0.8 * ROOM_RATE_HZ)
"""Sooner than this the hum does not repeat itself (read in ``ScriptedVoice``: five notes of 180 ms)."""


async def test_two_answers_are_cut_and_the_third_is_heard_whole(play, voice):
    """What the room had heard is told to 20 ms, each time; what comes late of a cut answer is never heard."""
    faults = {"late_deltas": LATE}
    async with (
        play(replies=[LONG, LONG, LAST], faults=faults, start_daemon=False) as stage,
        Tap(stage.url) as tap,
    ):
        await through(tap, stage)
        after_s, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        for number in (1, 2):
            audible = await stage.wait_for("audible", after_s=after_s, timeout_s=20)
            spoken, _ = stage.say(voice("Wait, tell me something else."), at_s=audible["t"] + 1.5)
            cut = await stage.wait_for("flush", after_s=spoken)
            told = await stage.wait_for("truncate", after_s=spoken)
            after_s = (await stage.wait_for("speech_stopped", after_s=cut["t"]))["t"]
            silent_s, heard_ms = _heard_of(stage.room, tap.calls[0].downlink(told["item_id"]), audible["t"], after_s)
            assert silent_s - cut["t"] < 0.1
            assert told["heard_ms"] <= heard_ms + 20, "it told what nobody heard"
            assert told["heard_ms"] == pytest.approx(heard_ms - (silent_s - cut["t"]) * 1000, abs=20)
            assert (await stage.status())["link"]["late_deltas"] >= number * LATE, "nothing came late: prove it anew"
        again = await stage.wait_for("audible", after_s=after_s, timeout_s=20)
        ended = await stage.wait_for("state", before="speaking", after_s=again["t"], timeout_s=20)
        assert len(stage.marks("truncate")) == 2
        assert stage.marks("cancel") == [], "the service had interrupted itself already"
        last = _as_room(tap.calls[0].downlink(stage.marks("downlink")[-1]["item_id"]))
        (span,) = stage.room.audible_spans(cut["t"] + 0.1, ended["t"] + 0.5, gap_ms=200)
        assert -0.05 < span[1] - span[0] - len(last) / ROOM_RATE_HZ < 0.5
        lost = [at for at in range(0, len(last) - FIFTH_S, FIFTH_S) if not _is_heard(stage.room, last, at, span[0])]
        assert len(lost) <= 1, "at most one piece may be torn: a busy machine delivers the second delta late"


def _heard_of(room, pcm, audible_s, end_s):
    """Return when a humming answer fell silent in a room, having checked that it stayed so, and how much was heard."""
    spans = room.audible_spans(audible_s - 0.1, end_s, threshold=1, gap_ms=100)
    assert len(spans) == 1, "something was heard behind it"
    (begin_s, silent_s), wanted = spans[0], _as_room(pcm)
    around = max(0, round((silent_s - begin_s) * ROOM_RATE_HZ) - HALF_S - REPEAT // 2)  # it hums the same now and then
    at, likeness = find(room.heard(silent_s - 0.5, silent_s), wanted[around : around + HALF_S + REPEAT])
    assert likeness > 0.9
    return silent_s, (around + at + HALF_S) * 1000 / ROOM_RATE_HZ


def _is_heard(room, pcm, at, begin_s):
    """Return whether a fifth of a second of a sound is heard where it belongs, or a little later."""
    due_s = begin_s + at / ROOM_RATE_HZ
    return find(pcm[at : at + FIFTH_S], room.heard(due_s - 0.05, due_s + 0.7))[1] > 0.9


def _as_room(pcm):
    return resample(np.frombuffer(pcm, "<i2"), WIRE_RATE_HZ, ROOM_RATE_HZ)

"""The network goes away in the middle of a question: it is asked again by itself, whole, once; or its loss is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from speakerd.core.state import Limits
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.realtime.patience import BUDGET_S
from tests.fakes.room_tools import as_wire, plain, unlike_pieces
from tests.fakes.stories import through, until_line
from tests.fakes.tap import Tap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speakerd.demo.stage import Stage

QUESTION = "tell me everything that you know about France."
ONE_TURN = {"audio": {"echo_cancellation": "off"}, "conversation": {"follow_up_s": 0}}
WAITING = 'listening for "hey jarvis"'
BYTES_PER_MS = WIRE_RATE_HZ * SAMPLE_BYTES // 1000


async def test_a_question_is_asked_again_whole_and_once(play, voice):
    """Lost in mid-utterance, and between its end and the first sound of the answer: the user notices nothing of it."""
    async with play(config=ONE_TURN, replies=["One, two."], start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        word, question = voice("Hey Jarvis"), voice(QUESTION)
        for number, phase in enumerate(("listening", "thinking")):
            await until_line(stage, WAITING)
            tap.cut_at = "response.output_audio.delta" if phase == "thinking" else None
            begun, word_end = stage.say(word)
            asked, _ = stage.say(question, at_s=word_end + 0.3)
            if phase == "listening":
                await stage.wait_for("speech_started", after_s=begun)
                await stage.until(asked + 1.0)
                tap.cut()
            lost = await stage.wait_for("link.lost", after_s=begun)
            answered = await stage.wait_for("state", before="speaking", after="idle", after_s=begun, timeout_s=20)
            again_is_whole(tap, question, mid_utterance=phase == "listening")
            assert len(tap.calls) == 2 * (number + 1)
            assert [mark["on"] for mark in stage.marks("state", after_s=lost["t"]) if mark["before"] == phase] == (
                ["SpeechStopped"] if phase == "listening" else ["LinkLost", "AudioStarted"]
            )
            assert stage.marks("notice") == []
            heard = [mark["text"] for mark in stage.marks("transcript", after_s=lost["t"]) if mark["role"] != "user"]
            assert heard == ["One, two."]
            line = await turn_line(stage, number + 1)
            assert "ended=answered resumed=0 asked_again=1 " in line
            assert (await stage.status())["trouble"] is None
            assert answered["t"] - lost["t"] < 10.0


def again_is_whole(tap: Tap, question: NDArray[np.int16], *, mid_utterance: bool) -> None:
    """Check that the second session got what the first one heard of the question, from its beginning, and all of it."""
    first, again = tap.calls[-2:]
    began = [event for event in first.received if event["type"] == "input_audio_buffer.speech_started"][-1]
    known = first.uplink()[began["audio_start_ms"] * BYTES_PER_MS :]
    assert len(known) > 0.8 * WIRE_RATE_HZ * SAMPLE_BYTES
    assert again.uplink()[: len(known)] == known, "other frames than those that were heard, or from another place"
    uplink = np.frombuffer(again.uplink(), "<i2")
    assert unlike_pieces(as_wire(question), uplink, WIRE_RATE_HZ) == []
    kinds = [event["type"].removeprefix("input_audio_buffer.") for event in first.received]
    assert mid_utterance == ("speech_stopped" not in kinds[first.received.index(began) :])
    heard = [event for event in again.received if event["type"] == "input_audio_buffer.speech_started"]
    assert len(heard) == 1, "it was heard as several"


async def test_a_question_behind_a_reply_is_asked_again_without_the_one_before(play, voice):
    """Its place is found in a session that has heard another question, and silence in the place of the reply."""
    config = {"audio": {"echo_cancellation": "off"}, "conversation": {"barge_in": "wake_word"}}
    async with play(config=config, replies=["One, two."], start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        stage.say(voice("Hey Jarvis, what time is it?"))
        window = await stage.wait_for("state", after="follow-up", timeout_s=20)
        question = voice(QUESTION)
        asked, _ = stage.say(question, at_s=window["t"] + 1.0)
        await stage.wait_for("speech_started", after_s=asked)
        await stage.until(asked + 1.2)
        tap.cut()
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=asked, timeout_s=20)
        again_is_whole(tap, question, mid_utterance=True)
        assert (await stage.status())["turn"] == 2


async def test_the_new_session_is_not_told_what_it_hears_again(play, voice, neural_url):
    """What was written down of a question is not remembered beside the question: it is understood and answered once."""
    async with (
        Tap(neural_url) as tap,
        play(config={**ONE_TURN, "service": {"endpoint": tap.url}}, start_service=False) as stage,
    ):
        tap.cut_at = "response.output_audio.delta"
        begun, _ = stage.say(voice("Hey Jarvis, what is the capital of France?"))
        lost = await stage.wait_for("link.lost", after_s=begun, timeout_s=20)
        await stage.wait_for("state", before="speaking", after="idle", after_s=lost["t"], timeout_s=20)
        said = [(mark["role"], plain(mark["text"])) for mark in stage.marks("transcript")]
        understood = [text for role, text in said if role == "user"]
        assert understood == [understood[0]] * 2, "written down in both sessions, alike"
        assert said[-1] == ("assistant", "the capital of france is paris")
        assert tap.calls[1].told("conversation.item.create") == []
        await stage.tell("wake")
        await stage.wait_for("link.seeded", after_s=lost["t"])
        seeds = tap.calls[2].told("conversation.item.create")
        assert [message["item"]["role"] for message in seeds] == ["user", "assistant"]


async def test_a_second_loss_is_told(play, voice):
    """Nobody is kept waiting by a network that goes away again and again; the next question is another one."""
    async with play(config=ONE_TURN, replies=["One, two."], start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        tap.cut_at, tap.cuts = "response.created", 2
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        told = await stage.wait_for("notice", notice="offline", after_s=begun, timeout_s=10)
        assert [mark["code"] for mark in stage.marks("link.lost")] == ["link-lost", "link-lost"]
        assert "ended=link-lost resumed=0 asked_again=1 " in await turn_line(stage, 1)
        assert (await stage.status())["line"] == f"{WAITING}; the service failed last time: link-lost"
        await stage.until(told["t"] + 3.0)
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="speaking", after="idle", after_s=begun, timeout_s=10)
        assert "ended=answered resumed=0 asked_again=0 " in await turn_line(stage, 2)


async def test_a_network_that_stays_away_is_told(play, voice):
    """In its time, with the sentence and the status of a network that is lost; then nothing is dialled any more."""
    async with play(config=ONE_TURN, start_daemon=False) as stage, Tap(stage.url) as tap:
        await through(tap, stage)
        tap.cut_at = "response.created"
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("link.up", after_s=begun)
        tap.break_handshakes = 1000
        lost = await stage.wait_for("link.lost", after_s=begun, timeout_s=10)
        told = await stage.wait_for("notice", notice="offline", after_s=lost["t"], timeout_s=10)
        assert 0 < told["t"] - lost["t"] < Limits().ask_again_s + 0.5 < BUDGET_S
        status = await stage.status()
        assert status["line"] == f"{WAITING}; the service failed last time: link-timeout"
        assert (status["link"]["state"], status["link"]["waiting_bytes"]) == ("closed", 0)
        assert "ended=link-lost resumed=0 asked_again=1 " in await turn_line(stage, 1)
        calls = len(tap.calls)
        await stage.until(told["t"] + 1.5)
        assert len(tap.calls) == calls, "it is still being dialled"


async def turn_line(stage: Stage, count: int) -> str:
    """Return the last of so many lines of turns."""
    end_s = stage.room.now_s() + 3.0
    while len(lines := re.findall(r"turn 1: .*", stage.log())) < count:
        assert stage.room.now_s() < end_s, "no line for the turn"
        await stage.until(stage.room.now_s() + 0.1)
    assert len(lines) == count
    return lines[-1]

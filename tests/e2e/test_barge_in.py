"""The user talks over an answer, in a room where the microphone hears the loudspeaker."""

from __future__ import annotations

import pytest

from speakerd.demo.stage import LIVING_ROOM
from tests.fakes.room_tools import plain, when_heard
from tests.fakes.tap import Tap


async def test_speech_cuts_an_answer_and_the_next_one_is_heard(play, voice, neural_url):
    """It falls silent soon, tells the service how much was really heard, and answers what it was interrupted with."""
    async with Tap(neural_url) as tap:
        config = {"service": {"endpoint": tap.url}}
        async with play(config=config, card=LIVING_ROOM, start_service=False) as stage:
            begun, _ = stage.say(voice("Hey Jarvis, tell me a story."))
            audible = await stage.wait_for("audible", after_s=begun, timeout_s=30)
            spoken, _ = stage.say(voice("What is the capital of France?"), at_s=audible["t"] + 3.0)
            cut = await stage.wait_for("speech_started", after_s=audible["t"], timeout_s=10)
            told = await stage.wait_for("truncate", after_s=cut["t"])
            again = await stage.wait_for("audible", after_s=cut["t"], timeout_s=30)
            assert spoken <= cut["t"], "it interrupted itself"
            spans = stage.room.audible_spans(audible["t"], again["t"], gap_ms=700)
            silent_s = max(end for _, end in spans if end < again["t"] - 0.2)
            assert silent_s - cut["t"] < 0.5
            moment_ms = told["heard_ms"] - 200
            item = tap.calls[0].downlink(told["item_id"])
            moment_s, likeness = when_heard(stage.room, item, moment_ms, audible["t"], again["t"] - 0.2)
            assert likeness > 0.8
            assert moment_s + 0.2 == pytest.approx(max(silent_s, cut["t"]), abs=0.15), "it told what was not heard"
            await stage.wait_for("state", before="speaking", after="follow-up", after_s=cut["t"], timeout_s=20)
            assert stage.marks("transcript")[-1]["text"] == "The capital of France is Paris."
            assert stage.marks("cancel") == [], "the service had interrupted itself already"


async def test_an_answer_does_not_interrupt_itself(play, voice, neural_url):
    """The echo of a whole answer is taken for nobody's speech and for no wake word."""
    async with play(config={"service": {"endpoint": neural_url}}, card=LIVING_ROOM, start_service=False) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, count to twelve."))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=30)
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=40)
        assert stage.marks("speech_started", after_s=audible["t"]) == []
        assert len(stage.marks("wake")) == 1


async def test_without_an_echo_the_user_is_not_taken_for_one(play, voice, neural_url):
    """As configured by default and with headphones, speech cuts an answer soon and is understood."""
    config = {
        "service": {"endpoint": neural_url},
        "audio": {"echo_cancellation": "auto"},
        "conversation": {"barge_in": "auto"},
    }
    async with play(config=config, start_service=False) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, tell me a story."))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=30)
        await stage.until(audible["t"] + 3.5)
        assert not (await stage.status())["microphone"]["cancelling"]
        spoken, ended = stage.say(voice("What is the capital of France?"))
        cut = await stage.wait_for("flush", after_s=spoken, timeout_s=10)
        assert cut["t"] - spoken < 1.0
        heard = await stage.wait_for("transcript", role="user", after_s=ended, timeout_s=20)
        assert "capital of france" in plain(heard["text"])


async def test_the_wake_word_cuts_an_answer_where_speech_does_not(play, voice, neural_url):
    """With ``barge_in: wake_word`` only the wake word does, and the question in the same breath is whole."""
    config = {"service": {"endpoint": neural_url}, "conversation": {"barge_in": "wake_word"}}
    async with play(config=config, start_service=False) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, tell me a story."))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=30)
        _, spoken = stage.say(voice("I have heard this one before."), at_s=audible["t"] + 0.5)
        called, _ = stage.say(voice("Hey Jarvis, what is the capital of France?"), at_s=spoken + 0.7)
        woken = await stage.wait_for("wake", after_s=called, timeout_s=10)
        flushed = await stage.wait_for("flush", after_s=audible["t"])
        assert 0 <= flushed["t"] - woken["t"] < 0.1
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=woken["t"], timeout_s=30)
        said = [mark["text"] for mark in stage.marks("transcript", after_s=woken["t"])]
        assert plain(said[-2]).endswith("what is the capital of france")
        assert said[-1] == "The capital of France is Paris."


async def test_the_wake_word_is_heard_over_the_echo_of_an_answer(play, voice, neural_url):
    """As loud as the answer is in the microphone: said once, or once more, it cuts it."""
    config = {"service": {"endpoint": neural_url}, "conversation": {"barge_in": "wake_word"}}
    async with play(config=config, card=LIVING_ROOM, start_service=False) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, tell me a story."))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=30)
        # Nobody is surely heard over another's voice: people say it again.
        for again in range(3):
            stage.say(voice("Hey Jarvis"), at_s=audible["t"] + 1.5 + 3.0 * again)
        flushed = await stage.wait_for("flush", after_s=audible["t"], timeout_s=15)
        woken = stage.marks("wake", after_s=audible["t"])[0]
        assert 0 <= flushed["t"] - woken["t"] < 0.1
        silent = await stage.wait_for("silent", after_s=flushed["t"])
        assert silent["t"] - flushed["t"] < 0.2

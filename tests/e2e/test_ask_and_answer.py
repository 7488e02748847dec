"""The main job: the wake word and a question in one breath, and an answer that people in the room understand."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.core.units import WIRE_RATE_HZ
from tests.fakes.room_tools import as_wire, find, plain, unlike_pieces
from tests.fakes.tap import Tap


async def test_a_question_is_understood_and_the_answer_is_heard(play, voice, neural_url):
    """The service hears the user's words, and what the loudspeaker says is recognised as the answer."""
    ears = pytest.importorskip("speakerd.embedded.ears").WhisperEars()
    async with play(config={"service": {"endpoint": neural_url}}, start_service=False) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what is the capital of France?"))
        ended = await stage.wait_for("state", after="follow-up", after_s=begun, timeout_s=30)
        said = {mark["role"]: mark["text"] for mark in stage.marks("transcript", after_s=begun)}
        heard = stage.room.heard(stage.marks("audible")[0]["t"], ended["t"])
        assert "capital of france" in plain(said["user"])
        assert said["assistant"] == "The capital of France is Paris."
        assert "capital of france is paris" in plain(ears.hear(as_wire(heard).tobytes()).text)


@pytest.mark.parametrize("handshake_s", [0.0, 1.5])
async def test_nothing_of_a_question_in_one_breath_is_lost(play, voice, neural_url, handshake_s):
    """However long the handshake takes, every sample of the question arrives once, in order, and is understood."""
    question = voice("What is the capital of France?")
    async with Tap(neural_url, handshake_s=handshake_s) as tap:
        config = {"service": {"endpoint": tap.url}, "audio": {"echo_cancellation": "off"}}
        async with play(config=config, start_service=False) as stage:
            _, called = stage.say(voice("Hey Jarvis"))
            stage.say(question, at_s=called)
            heard = await stage.wait_for("transcript", role="user", timeout_s=30)
            connected = await stage.wait_for("link.open")
            begun = (stage.marks("link.preparing") or stage.marks("link.connecting"))[0]
        assert "capital of france" in plain(heard["text"])
        assert connected["t"] - begun["t"] >= handshake_s
        uplink = tap.calls[0].uplink()
        assert unlike_pieces(as_wire(question), _samples(uplink), WIRE_RATE_HZ) == []
        assert find(as_wire(question), _samples(uplink))[0] <= 0.65 * WIRE_RATE_HZ, "the wake word went along"


async def test_the_uplink_has_no_gap_from_its_first_frame_to_now(play, voice):
    """As much audio is sent as was heard since: the pre-roll, what waited for the link, and what is live."""
    async with play(faults={"slow_handshake_s": 1.5}, replies=["One. Two. Three."]) as stage:
        stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", after="speaking", timeout_s=20)
        first = stage.marks("uplink.open")[0]["from_frame"]
        status = await stage.status()
        waiting = status["microphone"]["position_frames"] - first - status["link"]["sent_bytes"] // 2
        # What is not sent yet: a piece of the gate, a period of the card, and what lies in the outbox.
        assert 0 <= waiting <= 0.15 * WIRE_RATE_HZ


async def test_a_slow_service_does_not_hold_up_the_ears(play, voice):
    """While a handshake is answered late, the daemon goes on listening and says truly what it does."""
    async with play(faults={"slow_handshake_s": 1.0}) as stage:
        stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("link.connecting")
        status = await stage.status()
        assert status["line"] == "in conversation, turn 1"
        assert status["link"]["state"] == "connecting"
        await stage.wait_for("link.up", timeout_s=10)
        await stage.wait_for("audible", timeout_s=10)


def _samples(pcm):
    return np.frombuffer(pcm, "<i2")

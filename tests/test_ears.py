"""The wake path, with the real engine: what is fed in comes back as a detection on the loop."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from speakerd.core.settings import Wake
from speakerd.core.units import WIRE_RATE_HZ
from speakerd.demo.mouth import find_mouth
from speakerd.demo.room import resample
from speakerd.ears import Ears
from tests.fakes.models import wake_models


class Told:
    """Notes what the ears say, on the loop."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.detected: asyncio.Queue[tuple[str, float, int]] = asyncio.Queue()
        self.approached: list[float] = []
        self.ended: asyncio.Queue[int | None] = asyncio.Queue()

    def on_detected(self, model, score, position_frames):
        self.detected.put_nowait((model, score, position_frames))

    def on_word_ended(self, position_frames):
        self.ended.put_nowait(position_frames)

    def on_approached(self, score):
        self.approached.append(score)

    def on_ears_ready(self):
        self.ready.set()

    def on_ears_failed(self, code, error):
        raise error


@pytest.fixture
async def ears(tmp_path):
    """Return ears that listen, and who is told."""
    wake_models()
    told = Told()
    made = Ears(Wake(), told, {"STATE_DIRECTORY": str(tmp_path)})
    made.start()
    await asyncio.wait_for(told.ready.wait(), 60)
    yield made, told
    made.stop(5)


def feed(made, pcm, *, played=None, muted=False):
    """Feed wake audio in blocks of 20 ms."""
    for at in range(0, len(pcm), 320):
        far = None if played is None else played[at : at + 320].tobytes()
        block = pcm[at : at + 320].tobytes()
        made.feed(block, None if far is None else block, far, playing=played is not None, muted=muted)


def said(text: str):
    """Return a sentence as wake audio with a second of quiet around it."""
    pcm = resample(find_mouth().speak(text), 48_000, 16_000)
    room = np.random.default_rng(1).normal(0, 5, len(pcm) + 32_000)
    room[16_000 : 16_000 + len(pcm)] += pcm
    return room.astype("<i2")


async def test_the_word_is_told_with_its_place(ears):
    """A rising score comes first, then the word, in wire frames from the start."""
    made, told = ears
    heard = said("Hey Jarvis")
    feed(made, heard)
    model, score, position = await asyncio.wait_for(told.detected.get(), 30)
    assert (model, score >= 0.5) == ("hey_jarvis", True)
    assert 1.0 < position / WIRE_RATE_HZ < len(heard) / 16_000
    assert made.hearing.is_set()
    assert made.status()["chunks"] > 0


async def test_our_own_word_is_masked(ears):
    """What the loudspeaker says is not taken for somebody; somebody who says it afterwards is heard."""
    made, told = ears
    heard = said("Hey Jarvis")
    feed(made, heard, played=heard)
    feed(made, np.random.default_rng(2).normal(0, 5, 3 * 16_000).astype("<i2"))
    feed(made, heard)
    _, _, position = await asyncio.wait_for(told.detected.get(), 30)
    assert position / WIRE_RATE_HZ > 3 + len(heard) / 16_000
    assert (made.status()["masked"], told.detected.empty()) == (1, True)


async def test_the_muted_are_not_heard(ears):
    """Nothing is scored while the owner does not want to be heard."""
    made, told = ears
    feed(made, said("Hey Jarvis"), muted=True)
    feed(made, said("Hey Jarvis"))
    await asyncio.wait_for(told.detected.get(), 30)
    assert told.detected.empty()
    assert made.status()["chunks"] < 1.5 * len(said("Hey Jarvis")) / 1280


async def test_a_quiet_room_is_slept_through_unless_the_owner_wants_otherwise(ears):
    """Told in the status; a microphone that begins anew wakes the engine up."""
    made, _ = ears
    room = np.random.default_rng(1).normal(0, 5, 10 * 16_000).astype("<i2")
    feed(made, room)
    status = await settled(made)
    assert status["engine"] == "lean"
    assert (status["chunks"], status["scored_chunks"] < 30, status["gate_open"]) == (125, True, False)
    made.renew()
    feed(made, room[:1280])
    assert (await settled(made))["gate_open"]


async def settled(made):
    """Return the status when there is nothing left to score."""
    chunks = -1
    while chunks != (status := made.status())["chunks"]:
        chunks = status["chunks"]
        await asyncio.sleep(0.5)
    return status


async def test_suppression_comes_and_goes_with_the_configuration(ears):
    """The word and its end are told with it, and behind it."""
    made, told = ears
    for on in (True, False):
        wake = Wake(noise_suppression=on)
        made.use(wake, await asyncio.to_thread(made.make_engine, wake))
        feed(made, said("Hey Jarvis"))
        await asyncio.wait_for(told.detected.get(), 30)
        assert await asyncio.wait_for(told.ended.get(), 30) is not None
        await settled(made)
        assert made.status()["noise_suppression"] is on


async def test_they_have_a_pulse_while_audio_waits(ears):
    """None when all is taken; else it changes with what the engine takes, muted or not."""
    made, _ = ears
    assert made.pulse is None
    taken = made._worker.progress
    feed(made, np.zeros(160_000, "<i2"), muted=True)
    assert made.pulse is not None
    async with asyncio.timeout(30):
        while made.pulse is not None:  # noqa: ASYNC110 - the engine rings no bell when it has taken all
            await asyncio.sleep(0)
    assert made._worker.progress == taken + 125


async def test_before_the_engine_is_there_nothing_is_asked_of_them():
    """It loads in its own time, and catches up with what came meanwhile."""
    wake_models()
    made = Ears(Wake(), Told(), {})
    feed(made, np.zeros(16_000, "<i2"))
    assert made.pulse is None


async def test_another_word_is_heard_by_the_same_ears(ears):
    """An engine that was made aside takes over; without one only the numbers change."""
    made, told = ears
    feed(made, said("Hey Jarvis"))
    await asyncio.wait_for(told.detected.get(), 30)
    wake = Wake(models=("alexa",), refractory_s=0.5)
    made.use(wake, await asyncio.to_thread(made.make_engine, wake))
    assert made.status()["models"] == ["alexa"]
    feed(made, said("Hey Jarvis"))
    feed(made, said("Alexa"))
    assert (await asyncio.wait_for(told.detected.get(), 30))[0] == "alexa"
    made.use(wake.model_copy(update={"threshold": 1}), None)
    feed(made, said("Alexa"))
    await settled(made)
    assert told.detected.empty()


async def test_both_ends_stay_in_step_when_nobody_takes_them():
    """Also when the loop comes between the thread's two readings: what would fit only into one is left out of both."""
    wake_models()
    made = Ears(Wake(), Told(), {})  # never started, as if the engine took its time
    feed(made, np.zeros(21 * 16_000, "<i2"))
    near, far = made._worker._ring, made._worker._far_ring
    near.read(2560)
    feed(made, np.zeros(320, "<i2"))
    far.read(2560)
    assert near.available_bytes == far.available_bytes
    feed(made, np.zeros(320, "<i2"))
    assert near.available_bytes == far.available_bytes
    assert made.status()["skipped_frames"] == 16_000 + 320

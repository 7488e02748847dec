"""Texts to be heard: what whoever wrote them is told."""

from __future__ import annotations

import asyncio

import pytest

from speakerd import text_desk
from speakerd.controller import Controller
from speakerd.core.errors import SpeakerdError
from speakerd.core.events import (
    AudioStarted,
    BudgetChanged,
    Device,
    DeviceFound,
    DeviceLost,
    LinkLost,
    LinkUp,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SessionReduced,
    SignInChanged,
    StopRequested,
    WakeWordDetected,
)
from speakerd.core.sign_in import SignInState
from speakerd.core.state import Limits, Phase
from speakerd.core.units import Frames, ResponseId
from speakerd.host.control import MAX_CONNECTIONS
from speakerd.text_desk import MAX_CHARACTERS, MAX_WAITING, TextDesk, text_of
from tests.fakes.ports import FakeClock, FakeIndicator, FakeLink, FakeLoudspeaker, FakeTrace, FakeUplink, FakeVoice

R1 = ResponseId("resp_1")
WAKE = WakeWordDetected("hey_jarvis", 0.9, Frames(48_000))


class House:
    """A desk with a real controller, whose surroundings are recorded."""

    def __init__(self):
        clock = FakeClock()
        self.link = FakeLink()
        self.noted = []
        self.desk = TextDesk(
            self.post,
            lambda: self.controller.state,
            refresh=lambda: self.noted.append("refresh"),
            expect=lambda item_id: self.noted.append(("expect", item_id)),
            remember=lambda item_id, text: self.noted.append(("remember", item_id, text)),
        )
        self.controller = Controller(
            uplink=FakeUplink(),
            loudspeaker=FakeLoudspeaker(),
            voice=FakeVoice(),
            link=self.link,
            indicator=FakeIndicator(),
            clock=clock,
            trace=FakeTrace(),
            limits=Limits(),
            call_at=clock.call_at,
            on_step=self.desk.on_step,
        )
        self.post(DeviceFound(Device.MICROPHONE), DeviceFound(Device.LOUDSPEAKER))

    def post(self, *events):
        for event in events:
            self.controller.post(event)

    async def ask(self, command="say", text="Dinner is ready."):
        """Ask for something, and wait until it is under way, or refused."""
        task = asyncio.ensure_future(self.desk.handlers[command]({"text": text}))
        for _ in range(10):
            await asyncio.sleep(0)
        return task

    def speak(self, words="Dinner is ready."):
        """Let the service say it."""
        self.post(LinkUp(), ResponseCreated(R1), AudioStarted(R1))
        self.desk.on_transcript("assistant", words)
        self.post(ResponseDone(R1, "completed"), PlaybackDrained())


@pytest.fixture
def house():
    return House()


async def refused(task) -> SpeakerdError:
    """Return how it was refused."""
    with pytest.raises(SpeakerdError) as error:
        async with asyncio.timeout(5):
            await task
    return error.value


async def test_it_answers_when_the_text_was_heard(house):
    """With the words that were said."""
    task = await house.ask()
    assert ("send_text", "Dinner is ready.", True) in house.link.calls
    house.desk.on_transcript("user", "Who is there?")
    house.speak()
    assert (await task)["text"] == "Dinner is ready."
    assert house.noted == ["refresh"]


async def test_a_question_is_remembered_in_its_place_once_it_is_answered(house):
    """Its place is before the answer, its words are nobody's business before that."""
    task = await house.ask("ask", "What  time\nis it?")
    assert ("send_text", "What time is it?", False) in house.link.calls
    assert house.noted[-1] == ("expect", "text_1")
    house.speak("Noon.")
    assert (await task)["text"] == "Noon."
    assert house.noted[-1] == ("remember", "text_1", "What time is it?")


async def test_a_text_waits_for_a_conversation_to_end(house):
    """And two texts are heard one after the other."""
    house.post(WAKE)
    first, second = await house.ask(), await house.ask(text="Two.")
    assert "send_text" not in house.link.names()
    house.post(StopRequested())
    for _ in range(10):
        await asyncio.sleep(0)
    assert house.link.calls[-1] == ("send_text", "Dinner is ready.", True)
    house.speak()
    await first
    for _ in range(10):
        await asyncio.sleep(0)
    assert house.link.calls[-1] == ("send_text", "Two.", True)
    house.speak()
    await second


async def test_it_does_not_wait_for_ever(house, monkeypatch):
    """Whoever wrote is told what to do."""
    monkeypatch.setattr(text_desk, "WAIT_S", 0.01)
    house.post(WAKE)
    error = await refused(await house.ask())
    assert (error.code, "speakerd stop" in str(error)) == ("say-busy", True)
    assert house.controller.state.phase is Phase.LISTENING


async def test_so_many_wait_that_others_can_still_ask(house):
    """Each that waits has a place at the control socket, and ``speakerd stop`` needs one, too."""
    assert MAX_WAITING <= MAX_CONNECTIONS // 2
    house.post(WAKE)
    tasks = [await house.ask() for _ in range(MAX_WAITING)]
    assert (await refused(await house.ask())).code == "say-busy"
    tasks.pop().cancel()  # whoever wrote it has gone
    await asyncio.sleep(0)
    tasks.append(await house.ask())
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.mark.parametrize(
    ("hindrance", "code", "sentence"),
    [
        (DeviceLost(Device.LOUDSPEAKER), "say-no-loudspeaker", "speakerd devices"),
        (BudgetChanged(spent=True), "over-budget", "tomorrow"),
        (SignInChanged(SignInState.SIGN_IN_REQUIRED, usable=False), "say-not-signed-in", "speakerd login"),
    ],
)
async def test_what_could_not_be_heard_is_refused(house, hindrance, code, sentence):
    """Before anything is opened."""
    house.post(hindrance)
    error = await refused(await house.ask())
    assert (error.code, sentence in str(error)) == (code, True)
    assert "link.open" not in house.link.names()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ((StopRequested(),), "say-stopped"),
        ((WAKE,), "say-interrupted"),
        ((DeviceLost(Device.LOUDSPEAKER),), "say-no-loudspeaker"),
        ((LinkLost("link-refused"),), "link-refused"),
        ((LinkUp(), ResponseCreated(R1), ResponseDone(R1, "completed")), "say-silent"),
    ],
)
async def test_what_was_not_heard_is_not_called_heard(house, end, code):
    """The code says why, the sentence what to do."""
    task = await house.ask()
    house.post(*end)
    assert (await refused(task)).code == code
    task = await house.ask()
    house.post(StopRequested())  # after the wake word a conversation is under way
    for _ in range(10):
        await asyncio.sleep(0)
    if code != "say-no-loudspeaker":
        house.speak()


async def test_a_session_with_the_minimum_is_good_enough(house):
    """The trouble of its configuration is told elsewhere."""
    task = await house.ask()
    house.post(SessionReduced("invalid_value"))
    house.speak()
    assert (await task)["text"] == "Dinner is ready."


@pytest.mark.parametrize("text", [None, 7, "", "  \n", "x" * (MAX_CHARACTERS + 1)])
def test_a_text_is_there_and_bounded(text):
    """Anything else is refused with what is allowed."""
    with pytest.raises(SpeakerdError) as error:
        text_of({"text": text})
    assert error.value.code == "say-text"


def test_half_a_surrogate_pair_does_no_harm():
    """JSON can name one; it is sent as a question mark."""
    assert text_of({"text": "a\ud800b"}) == "a?b"

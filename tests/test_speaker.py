"""The parts put together, on a machine without a sound card: what stands when, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.core.echo_found import Setup
from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.errors import Remedy, SpeakerdError, WakeError
from speakerd.core.events import BudgetChanged, Device, DeviceFound, DeviceLost, EchoMeasured, MuteChanged
from speakerd.core.notices import Notice
from speakerd.core.settings import Settings
from speakerd.host import client
from speakerd.host.echo_file import EchoFile, sound_cards
from speakerd.host.trace import NoTrace
from speakerd.realtime.endpoint import Endpoint
from speakerd.speaker import Speaker
from tests.fakes.models import wake_models
from tests.test_ears import feed, said, settled

ENDPOINT = Endpoint("ws://127.0.0.1:9/v1", "gpt-realtime")


class Board:
    """A notifier that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.is_ready = asyncio.Event()
        self.is_reloaded = asyncio.Event()

    def ready(self) -> None:
        if self.is_ready.is_set():
            self.is_reloaded.set()
        self.told.append("READY")
        self.is_ready.set()

    def alive(self) -> None:
        self.told.append("ALIVE")

    def reloading(self) -> None:
        self.told.append("RELOADING")

    def stopping(self) -> None:
        self.told.append("STOPPING")

    def show(self, line: str) -> None:
        self.told.append(line)


def make(tmp_path: Path, watchdog_s: float | None = None, **audio: str) -> Speaker:
    """Return a speaker whose sound cards do not exist, its board, and how to run it."""
    wake_models()
    settings = Settings.model_validate(
        {
            "service": {"endpoint": ENDPOINT.websocket_base_url},
            "audio": {"capture": {"device": "no_such_card"}, "playback": {"device": "no_such_card"}, **audio},
        }
    )
    board = Board()
    environment = {"STATE_DIRECTORY": str(tmp_path / "state")}
    if watchdog_s is not None:
        environment["WATCHDOG_USEC"] = str(int(1_000_000 * watchdog_s))
    made = Speaker(settings, ENDPOINT, NoTrace(), board, environment=environment)  # type: ignore[arg-type] # it is all of it that is used
    made.board = board
    made.socket = tmp_path / "control.sock"
    return made


@pytest.fixture
async def speaker(tmp_path: Path):
    """Return such a speaker."""
    return make(tmp_path)


@contextlib.asynccontextmanager
async def running(speaker: Speaker):
    """Run a speaker until the block ends; give its task."""
    task = asyncio.create_task(speaker.run(speaker.socket))
    try:
        async with asyncio.timeout(30):
            await speaker.board.is_ready.wait()
        yield task
    finally:
        speaker.stop()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_is_ready_when_every_part_was_looked_for(speaker) -> None:
    """Without a card it is up all the same, says so, and nothing alarming was said before."""
    async with running(speaker) as task:
        assert speaker.board.told == ["READY", "no microphone: retrying"]
    assert task.exception() is None
    assert speaker.board.told[-1] == "STOPPING"


async def test_without_a_microphone_a_conversation_is_prepared_all_the_same(speaker) -> None:
    """The first sound is not waited for longer than a while."""
    async with running(speaker), asyncio.timeout(60):
        assert not speaker._sound.ears.hearing.is_set()
        await asyncio.wait([task for task in speaker._tasks if task.get_name() == "warm"])
        assert speaker._service.link._dialler._dial._client is not None


async def test_the_status_is_plain_data(speaker) -> None:
    """A program can read it, and it says what is wrong with each card."""
    async with running(speaker):
        status = json.loads(json.dumps(await asyncio.to_thread(client.request, speaker.socket, "status")))
    assert (status["line"], status["phase"], status["muted"]) == ("no microphone: retrying", "idle", False)
    assert (status["microphone"]["found"], status["loudspeaker"]["found"]) == (False, False)
    assert "no_such_card" in status["microphone"]["trouble"]
    assert (status["link"]["state"], status["link"]["sessions"]) == ("closed", 0)
    assert status["wake"]["models"] == ["hey_jarvis"]


async def test_commands_reach_the_conversation(speaker) -> None:
    """Mute is kept and shown; stop at rest does nothing."""
    async with running(speaker):
        for command in ("mute", "stop"):
            answer = await asyncio.to_thread(client.request, speaker.socket, command)
            assert answer == {"line": "no microphone: retrying"}
        assert speaker.status()["muted"]
        await asyncio.to_thread(client.request, speaker.socket, "unmute")
        assert not speaker.status()["muted"]
        assert speaker.status()["link"]["sessions"] == 0


async def wake(speaker) -> SpeakerdError:
    """Return how ``speakerd wake`` is refused."""
    with pytest.raises(SpeakerdError) as refused:
        await asyncio.to_thread(client.request, speaker.socket, "wake")
    return refused.value


async def test_a_wake_without_a_card_is_refused(speaker) -> None:
    """Whoever asks learns that nobody is listened to, which card is the reason, and what shows more."""
    async with running(speaker):
        refused = await wake(speaker)
        assert refused.code == "wake-no-device"
        assert "no_such_card" in str(refused)
        assert "speakerd devices" in str(refused)
        speaker.controller.post(DeviceFound(Device.MICROPHONE))
        assert "loudspeaker" in str(await wake(speaker))
        assert speaker.status()["phase"] == "idle"
        assert speaker.status()["link"]["sessions"] == 0


async def test_a_wake_before_the_cards_are_open_is_refused(speaker) -> None:
    """It is not kept for later, and nothing is said of a missing card: a moment later it is there."""
    with pytest.raises(SpeakerdError, match="not ready yet: microphone and loudspeaker; ask again") as refused:
        speaker._requests.wake()
    assert refused.value.code == "wake-not-ready"
    speaker.controller.post(DeviceFound(Device.MICROPHONE))
    with pytest.raises(SpeakerdError, match="not ready yet: loudspeaker;"):
        speaker._requests.wake()
    assert speaker.controller.state.said is None


async def test_a_wake_that_costs_too_much_is_refused_and_said(speaker) -> None:
    """The room hears it as it does after the wake word, and whoever asked learns what can be done."""
    for device in Device:
        speaker.controller.post(DeviceFound(device))
    speaker.controller.post(BudgetChanged(spent=True))
    with pytest.raises(SpeakerdError, match=r"budget\.daily_usd") as refused:
        speaker._requests.wake()
    assert refused.value.code == "over-budget"
    assert speaker.controller.state.said.notice is Notice.OVER_BUDGET


async def test_a_wake_while_muted_is_answered_and_said(speaker) -> None:
    """With what to do, and the room hears why nothing comes of it."""
    for device in Device:
        speaker.controller.post(DeviceFound(device))
    speaker.controller.post(BudgetChanged(spent=True))
    speaker.controller.post(MuteChanged(muted=True))
    with pytest.raises(SpeakerdError, match="speakerd unmute") as refused:
        speaker._requests.wake()
    assert refused.value.code == "wake-muted"
    assert speaker.controller.state.said.notice is Notice.MUTED


async def test_a_word_behind_a_lost_microphone_is_another_one(speaker, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever of the time between two detections was over; one that is found again ends none."""
    caplog.set_level("INFO")
    async with running(speaker), asyncio.timeout(60):
        ears = speaker._sound.ears
        ears._trigger.refractory_s = 60.0
        told = []
        for event in (DeviceFound(Device.MICROPHONE), DeviceFound(Device.MICROPHONE), DeviceLost(Device.MICROPHONE)):
            speaker._post(event)
            feed(ears, said("Hey Jarvis"))
            await settled(ears)
            told.append(caplog.text.count('heard "hey jarvis"'))
        assert told == [1, 1, 2]


async def test_stopping_leaves_nothing(speaker) -> None:
    """Soon over: no control socket, no task."""
    before = asyncio.all_tasks()
    async with running(speaker):
        assert speaker.socket.exists()
        begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun < 2.0
    assert not speaker.socket.exists()
    assert asyncio.all_tasks() <= before


async def test_a_part_that_fails_for_good_ends_it_with_that_error(speaker) -> None:
    """Everything is closed as if it had been told to stop, then the error is raised."""
    failure = SpeakerdError("embedded-ended", "gone", Remedy.RETRY)
    async with running(speaker) as task:
        speaker.fail(failure)
        await asyncio.wait({task}, timeout=10)
    assert task.exception() is failure
    assert not speaker.socket.exists()


async def test_a_bug_in_a_callback_ends_it(speaker, caplog: pytest.LogCaptureFixture) -> None:
    """A speaker that goes on half dead is worse than one that starts anew."""
    async with running(speaker) as task:
        with caplog.at_level(logging.CRITICAL, logger="speakerd.app"):
            asyncio.get_running_loop().call_soon(lambda: 1 // 0)
            await asyncio.wait({task}, timeout=10)
    assert isinstance(task.exception(), ZeroDivisionError)


async def test_a_model_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    """Nothing was opened yet."""
    wake_models()
    settings = Settings.model_validate({"wake": {"models": ["/nowhere/hey_you.onnx"]}})
    with pytest.raises(WakeError) as missing:
        Speaker(settings, ENDPOINT, NoTrace(), Board(), environment={"STATE_DIRECTORY": str(tmp_path)})  # type: ignore[arg-type] # as above
    assert missing.value.code == "wake-model-missing"


@pytest.mark.parametrize("cancellation", ["auto", "on", "off"])
async def test_that_no_echo_was_found_before_leaves_the_canceller_out(tmp_path, cancellation) -> None:
    """From the start, where it is looked for; what may cut a reply waits for a measurement all the same."""
    before = EchoFile(tmp_path / "state" / "echo.json", Setup("no_such_card", "no_such_card", sound_cards()))
    before.note(EchoFigures(windows=4, inaudible=True))
    before.close()
    speaker = make(tmp_path, echo_cancellation=cancellation)
    async with running(speaker):
        probe = speaker._sound.echoes.probe
        assert (probe is not None and not probe.hears_echo) is (cancellation == "auto")
        assert speaker.status()["barge_in"] == "wake_word"
        speaker._sound.echoes.note(EchoMeasured(EchoFigures(windows=4, echo_dbfs=-30.0), BargeIn.WAKE_WORD))
    (kept,) = json.loads((tmp_path / "state" / "echo.json").read_text())["setups"]
    assert kept["hears_echo"] is (cancellation == "auto")


async def test_the_watchdog_is_fed_from_the_start(tmp_path) -> None:
    """Where the service manager wants to know; a card that is lost is no reason not to."""
    speaker = make(tmp_path, watchdog_s=0.05)
    async with running(speaker):
        assert "ALIVE" in speaker.board.told
        assert "READY" in speaker.board.told


ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=3)
ASKED = st.fixed_dictionaries(
    {
        "command": st.sampled_from(
            ["status", "usage", "mute", "unmute", "stop", "wake", "say", "ask", "volume", "dance"]
        )
    },
    optional={"text": ODD, "percent": ODD, "local": ODD},
)


async def test_no_request_ends_the_daemon(speaker) -> None:
    """Every command with whatever goes with it is answered, by what it does or by a refusal with a code."""
    drawn: list[dict[str, object]] = []

    @settings(max_examples=150, database=None)
    @given(ASKED)
    def draw(request: dict[str, object]) -> None:
        drawn.append(request)

    draw()
    async with running(speaker):
        reader, writer = await asyncio.open_unix_connection(speaker.socket)
        for request in drawn:
            writer.write(json.dumps(request).encode() + b"\n")
            answer = json.loads(await reader.readline())
            assert answer["ok"] or answer["code"], request
        writer.close()
        assert speaker.status()["line"] in ("no microphone: retrying", "muted")


async def test_what_the_owner_chose_holds_in_the_next_daemon(tmp_path) -> None:
    """Muted before anybody is heard, and as loud as before."""
    first = make(tmp_path)
    async with running(first):
        await asyncio.to_thread(client.request, first.socket, "mute")
        await asyncio.to_thread(client.request, first.socket, "volume", percent=30)
    second = make(tmp_path)
    async with running(second):
        assert second.status()["muted"]
        assert second.status()["volume"] == {"percent": 30, "by": "software"}


async def test_a_reload_is_asked_for_by_command_or_signal(speaker) -> None:
    """Systemd is told when it begins and ends; the status and the answer say what came of it."""
    async with running(speaker):
        answer = await asyncio.to_thread(client.request, speaker.socket, "reload")
        assert answer["configuration"]["last_reload"]["outcome"] == "unchanged"
        shown = speaker.status()["configuration"]
        assert shown == {**shown, **answer["configuration"]}
        await speaker.board.is_reloaded.wait()
        assert speaker.board.told[-2:] == ["RELOADING", "READY"]
        speaker.board.is_reloaded.clear()
        speaker.reload()
        await asyncio.wait_for(speaker.board.is_reloaded.wait(), 10)

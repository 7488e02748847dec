"""When the configuration is read again, what of it holds, and what people are told."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speakerd import config
from speakerd.core.errors import LinkError, Remedy, SpeakerdError, WakeError
from speakerd.core.settings import Settings
from speakerd.reload import MOST_LOOKS, Reloader, Source
from tests.fakes.ports import FakeTrace

NOON = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)


class House:
    """A reloader on a real file; notes what parts and systemd are told."""

    def __init__(self, folder: Path, text: str = "") -> None:
        self.path = folder / "speakerd.yaml"
        self.path.write_text(text)
        self.environment: dict[str, str] = {}
        self.idle = True
        self.told: list[str] = []
        self.begun, self.done = asyncio.Event(), asyncio.Event()
        self.fits: list[tuple[Settings, Settings, object]] = []
        self.failure: SpeakerdError | None = None
        self.outdated = 0
        self.tidied: list[Settings] = []
        self.on_make: Callable[[], None] = lambda: None
        self.texts: list[str] = []
        self.sleeps = 0
        self.trace = FakeTrace()
        self.engine: Any = object()
        self.reloader = Reloader(
            self.read().settings,
            Source(self.path, self.read),
            fitter=self,
            notifier=self,
            is_idle=lambda: self.idle,
            trace=self.trace,
            wall=lambda: NOON,
            sleep=self.sleep,
        )

    def read(self) -> config.Loaded:
        return config.load(self.path, self.environment)

    async def sleep(self, _time_s: float) -> None:
        self.sleeps += 1
        if self.texts:
            self.path.write_text(self.texts.pop(0))

    async def make(self, running: Settings, wanted: Settings) -> Any:
        self.on_make()
        if self.failure is not None:
            raise self.failure
        return self.engine if running.wake != wanted.wake else None

    def fit(self, before: Settings, after: Settings, detector: object) -> None:
        self.fits.append((before, after, detector))

    def tidy(self, settings: Settings) -> None:
        self.tidied.append(settings)

    def outdate(self) -> None:
        self.outdated += 1

    def reloading(self) -> None:
        self.told.append("RELOADING")
        self.begun.set()

    def ready(self) -> None:
        self.told.append("READY")
        self.done.set()

    @contextlib.asynccontextmanager
    async def running(self):
        """Run it, ready, until the block ends."""
        task = asyncio.create_task(self.reloader.run())
        self.reloader.ready.set()
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def reload(self, text: str | None = None) -> dict[str, Any]:
        """Write the file and have it read; return what the status says."""
        if text is not None:
            self.path.write_text(text)
        answer = await asyncio.wait_for(self.reloader.by_request({}), 10)
        status: dict[str, Any] = json.loads(json.dumps(answer))["configuration"]
        return status


@pytest.fixture
async def house(tmp_path: Path):
    house = House(tmp_path)
    async with house.running():
        yield house


async def test_what_changed_holds_is_told_and_systemd_waits_for_it(house, caplog) -> None:
    """All at once where nobody is in a conversation; the status has the moment."""
    with caplog.at_level(logging.INFO, "speakerd.reload"):
        status = await house.reload("assistant: {voice: cedar}\nbudget: {daily_usd: 2}\n")
    assert house.reloader.running == house.read().settings
    ((before, after, engine),) = house.fits
    assert (before, after.assistant.voice, engine) == (Settings(), "cedar", None)
    assert caplog.messages == ["configuration: 2 changes: assistant.voice marin -> cedar; budget.daily_usd null -> 2.0"]
    assert status == {
        "path": str(house.path),
        "since": "2026-11-28T12:00:00+00:00",
        "last_reload": {
            "at": "2026-11-28T12:00:00+00:00",
            "outcome": "changed",
            "changes": ["assistant.voice marin -> cedar", "budget.daily_usd null -> 2.0"],
            "problems": [],
        },
        "next_conversation": [],
    }
    await asyncio.sleep(0)
    assert house.told == ["RELOADING", "READY"]


async def test_before_it_was_asked_for_there_is_no_outcome(house) -> None:
    """The status says so, and since when the configuration holds."""
    status = house.reloader.status()
    assert (status["last_reload"], status["since"]) == (None, "2026-11-28T12:00:00+00:00")


async def test_nothing_changed_is_said_and_parts_look_at_their_files_again(house, caplog) -> None:
    """The owner's sentences may be other ones though the file is not."""
    with caplog.at_level(logging.INFO, "speakerd.reload"):
        status = await house.reload()
    assert status["last_reload"]["outcome"] == "unchanged"
    assert caplog.messages == ["configuration: nothing changed"]
    assert house.fits == [(Settings(), Settings(), None)]


async def test_a_conversation_keeps_what_it_began_with(house, caplog) -> None:
    """What may change in it does; the rest comes with its end, once, whatever the file has become by then."""
    house.idle = False
    caplog.set_level(logging.INFO, "speakerd.reload")
    status = await house.reload("assistant: {voice: ash}\nwake: {threshold: strict}\n")
    assert status["next_conversation"] == ["assistant.voice"]
    assert "with the next conversation: assistant.voice marin -> ash" in caplog.messages[-1]
    assert house.fits[-1][1] == Settings.model_validate({"wake": {"threshold": "strict"}})
    assert house.fits[-1][2] is house.engine
    house.reloader.settle()
    assert len(house.fits) == 1, "it has not ended yet"
    await house.reload("assistant: {voice: cedar}\nwake: {threshold: strict}\n")
    await house.reload("assistant: {voice: wrong, voise: x}\n")
    house.idle = True
    house.reloader.settle()
    assert [after.assistant.voice for _, after, _ in house.fits] == ["marin", "marin", "cedar"]
    assert house.reloader.status()["next_conversation"] == []
    house.reloader.settle()
    assert len(house.fits) == 3


async def test_what_was_made_for_a_change_is_kept_until_that_is_over(house) -> None:
    """Nothing is tidied up while another configuration waits or is being made; afterwards for what holds."""
    house.idle = False
    cloud = "service: {provider: openai}\nauth: {method: api_key, api_key_file: /k}\n"
    await house.reload(cloud)
    await house.reload("assistant: {voise: x}\n")
    assert house.tidied == []
    house.on_make = house.reloader.settle  # the conversation ends while an engine is made for a third
    house.idle = True
    await house.reload("wake: {models: [alexa]}\n")
    assert [tidied.wake.models for tidied in house.tidied] == [("alexa",)]
    await house.reload("assistant: {voise: x}\n")
    assert len(house.tidied) == 2, "what was made for the wrong one, too"


BROKEN = [
    ("assistant:\n  voise: cedar\n  speed: 9\n", ["{path}:2:3: assistant.voise: ", "{path}:3:10: assistant.speed: "]),
    ("assistant: {voice: ced", ["{path}:1:"]),
    ("\x00", ["{path}:1:1: character U+0000"]),
]


@pytest.mark.parametrize(("text", "places"), BROKEN)
async def test_a_wrong_file_changes_nothing_and_says_where(house, caplog, text, places) -> None:
    """Each problem is a line of the journal with its place; the parts keep what they have; a good file ends it."""
    status = await house.reload(text)
    places = [place.format(path=house.path) for place in places]
    problems = status["last_reload"]["problems"]
    assert status["last_reload"]["outcome"] == "wrong"
    for place, problem, line in zip(places, problems, caplog.messages, strict=False):
        assert problem.startswith(place)
        assert line == f"configuration: {problem}"
    assert len(problems) == len(places)
    assert "the old one holds: speakerd check-config" in caplog.messages[-1]
    assert (house.fits, house.outdated, house.reloader.running) == ([], 1, Settings())
    assert (await house.reload(""))["last_reload"]["outcome"] == "unchanged"
    assert len(house.fits) == 1, "which ends what people were told"
    await asyncio.sleep(0)
    assert house.told[-1] == "READY", "systemd must not wait for ever"


async def test_a_file_that_is_gone_or_closed_changes_nothing(house) -> None:
    """It is no wish for every default."""
    await house.reload("assistant: {voice: cedar}\n")
    house.path.unlink()
    status = await house.reload()
    assert status["last_reload"]["problems"] == [f"{house.path}: cannot be read: No such file or directory"]
    house.path.mkdir()
    assert "Is a directory" in (await house.reload())["last_reload"]["problems"][0]
    assert house.reloader.running.assistant.voice == "cedar"


@pytest.mark.parametrize(
    ("failure", "key"),
    [
        (WakeError("wake-model-missing", "/x.onnx is not there", Remedy.OPERATOR), "wake: /x.onnx is not there"),
        (LinkError("endpoint-invalid", "no host", Remedy.EXIT), "service: no host"),
    ],
)
async def test_what_cannot_be_made_is_a_wrong_file(house, failure, key) -> None:
    """Nothing of it holds: half a configuration is none that anybody has written."""
    house.failure = failure
    status = await house.reload("assistant: {voice: cedar}\nwake: {models: [/x.onnx]}\n")
    assert status["last_reload"]["problems"] == [f"{house.path}: {key}"]
    assert (house.fits, house.outdated) == ([], 1)


async def test_a_file_that_is_being_written_is_read_when_it_is_whole(house) -> None:
    """Empty is a good configuration, but not what is meant in the moment between two writes."""
    house.texts = ["assistant: {voi", "assistant: {voice: cedar}\n"]
    status = await house.reload("")
    assert status["last_reload"]["changes"] == ["assistant.voice marin -> cedar"]
    assert house.sleeps == 3


async def test_a_file_that_never_settles_is_read_all_the_same(house) -> None:
    """A program that writes it all the time must not keep systemd waiting."""
    house.texts = [f"assistant: {{voice: v{n}}}\n" for n in range(3 * MOST_LOOKS)]
    status = await house.reload("")
    assert status["last_reload"]["outcome"] == "changed"
    assert house.sleeps == MOST_LOOKS


async def test_what_the_environment_fills_is_told_as_at_the_start(house, caplog) -> None:
    """And holds where the file is silent."""
    house.environment["AZURE_OPENAI_DEPLOYMENT_NAME"] = "kitchen"
    await house.reload(
        "service: {provider: azure, endpoint: 'https://x.openai.azure.com'}\nauth: {method: azure_cli}\n"
    )
    assert "service.model taken from AZURE_OPENAI_DEPLOYMENT_NAME" in caplog.messages


async def test_asked_twice_it_is_ready_once_and_the_last_file_holds(house) -> None:
    """What comes while a file is read is read behind it, before systemd hears that we are ready."""
    house.path.write_text("assistant: {voice: ash}\n")
    house.reloader.ask()
    house.reloader.ask()
    await asyncio.wait_for(house.begun.wait(), 10)
    await house.reload("assistant: {voice: cedar}\n")
    await asyncio.sleep(0)
    assert house.reloader.running.assistant.voice == "cedar"
    assert house.told == ["RELOADING", "READY"]


async def test_asked_before_the_daemon_is_up_it_waits(tmp_path: Path) -> None:
    """Systemd would take the end of a reload for the end of the start."""
    house = House(tmp_path)
    house.reloader.ask()
    task = asyncio.create_task(house.reloader.run())
    for _ in range(3):
        await asyncio.sleep(0)
    assert house.told == []
    house.reloader.ready.set()
    await asyncio.wait_for(house.done.wait(), 10)
    assert house.told == ["RELOADING", "READY"]
    task.cancel()
    await asyncio.wait({task})


async def test_who_has_left_is_not_answered(house) -> None:
    """A client that hangs up does no harm."""
    asking = asyncio.create_task(house.reloader.by_request({}))
    await asyncio.sleep(0)
    asking.cancel()
    await house.reload()
    assert house.reloader.status()["last_reload"]["outcome"] == "unchanged"


async def test_without_a_source_there_is_never_another(tmp_path: Path) -> None:
    """As in programs that make their own settings."""
    house = House(tmp_path)
    settings = Settings.model_validate({"assistant": {"voice": "ash"}})
    reloader = Reloader(
        settings, None, fitter=house, notifier=house, is_idle=lambda: True, trace=FakeTrace(), sleep=house.sleep
    )
    house.reloader = reloader
    async with house.running():
        assert (await house.reload())["last_reload"]["outcome"] == "unchanged"
    assert (reloader.running, reloader.status()["path"]) == (settings, None)


async def test_the_diary_knows_each_end(house) -> None:
    """For whoever waits for one."""
    await house.reload()
    ((name, fields),) = house.trace.calls
    assert (name, fields["outcome"]) == ("reload", "unchanged")

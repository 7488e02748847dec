"""A daemon that was handed another configuration does what one does that was started with it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speakerd.auth.entra import EntraCredentials
from speakerd.core.changes import WHEN, When, blend, starts_service
from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.errors import LinkError, SpeakerdError, WakeError
from speakerd.core.events import Device, DeviceFound, EchoMeasured
from speakerd.core.settings import Settings
from speakerd.core.state import OUTDATED
from speakerd.host.trace import NoTrace
from speakerd.parts import endpoint_of
from speakerd.service_place import service_place
from speakerd.speaker import Speaker
from tests.core.test_changes import OTHER, with_keys
from tests.fakes.models import wake_models

HERE = {"service.provider": "embedded", "service.endpoint": "ws://127.0.0.1:9/v1"}
BASE = HERE | {"audio.capture.device": "no_such_card", "audio.playback.device": "no_such_card"}

CLOUD = {
    "service.provider": "azure",
    "service.endpoint": "https://kitchen.openai.azure.com",
    "auth.method": "api_key",
    "auth.api_key_file": "/nowhere/key",
}


class Board:
    """A notifier that nobody reads."""

    def ready(self) -> None:
        pass

    def reloading(self) -> None:
        pass

    def alive(self) -> None:
        pass

    def stopping(self) -> None:
        pass

    def show(self, line: str) -> None:
        pass


@contextlib.asynccontextmanager
async def running(folder: Path, settings: Settings):
    """Run a speaker without sound cards."""
    wake_models()
    endpoint = endpoint_of(settings)
    state = {"STATE_DIRECTORY": str(folder / "state")}
    async with service_place(fail) as places:
        speaker = Speaker(settings, endpoint, NoTrace(), Board(), environment=state, place=places)  # type: ignore[arg-type] # all of it that is used
        speaker.places = places
        task = asyncio.create_task(speaker.run(folder / f"control{id(speaker)}.sock"))
        try:
            await until(lambda: speaker._readiness.is_complete)
            yield speaker
        finally:
            speaker.stop()
            await asyncio.gather(task, return_exceptions=True)


def fail(error: SpeakerdError) -> None:
    """Nobody ends by itself here."""
    raise error


async def hand_over(speaker: Speaker, old: Settings, new: Settings) -> None:
    """Do what a reload does, in its two steps."""
    refit = speaker._reloader._fitter
    engine = await refit.make(old, new)
    between = blend(old, new, {When.NOW})
    refit.fit(old, between, engine)
    refit.fit(between, blend(between, new, {When.NOW, When.CONVERSATION}), None)
    speaker._reloader.running = new
    await heard_silence(speaker)


async def heard_silence(speaker: Speaker) -> None:
    """Let the ears take up what they were handed."""
    chunks = speaker._sound.ears.status()["chunks"]
    speaker._sound.ears.feed(bytes(2 * 1280), None, None, playing=False, muted=False)
    await until(lambda: speaker._sound.ears.status()["chunks"] > chunks)


async def until(true: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    for _ in range(6000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def behaviour(speaker: Speaker) -> dict[str, Any]:
    """Return all that a configuration decides in a daemon, as far as it can be compared."""
    microphone, loudspeaker, link, ears = (
        speaker._sound.microphone,
        speaker._sound.loudspeaker,
        speaker._service.link,
        speaker._sound.ears,
    )
    worker, status = ears._worker, speaker.status()
    interrupt = link._interrupt
    spec = link._spec if interrupt is None else link._spec.interrupting(interrupt)
    return {
        "limits": speaker.controller.limits,
        "line": status["line"],
        "barge_in": status["barge_in"],
        "session": spec,
        "place": link._dialler._dial._endpoint,
        "life": link._longest_session_s,
        "credentials": type(link._credentials),
        "key": getattr(link._credentials, "__dict__", {}).get("_file"),
        "method": status["sign_in"]["method"],
        "wish": speaker._service.identity.worker._wish,
        "desk": (speaker._service.desk._auth, speaker._service.desk._attempts is speaker._service.identity.worker),
        "cards": (microphone._device, microphone._channel, loudspeaker._device),
        "earcons": loudspeaker._earcons,
        "volume": (status["volume"], speaker._sound.volume._mixer._wanted),
        "canceller": microphone._echo._canceller is not None,
        "probes": (microphone._echo._probe is not None, microphone._echo._probe is speaker._sound.echoes.probe),
        "echo": (
            speaker._sound.echoes._probes,
            speaker._sound.echoes._measured_counts,
            speaker._sound.echoes._file._setup,
        ),
        "calm": microphone._calm._hang_ms,
        "words": (worker._detector.words, status["wake"]["models"]),
        "engine": (worker.engine, worker._gate is not None, worker.suppresses_noise),
        "trigger": (ears._trigger.threshold, ears._trigger.refractory_s),
        "language": (speaker._sound.voice._language, speaker._sound.spelling._language),
        "memory": speaker._service.memory._span_s,
        "money": (speaker._accounts._ledger._daily_usd, speaker._accounts._ledger._rate),
        "books": (speaker._accounts._transcription_model, speaker._accounts._local),
        "turns": speaker._accounts._turns._book.prices,
        "transcripts": speaker._reloader.running.log.transcripts,
    }


def before_and_after(key: str) -> tuple[Settings, Settings]:
    """Return settings in which one key differs, and those that go with it where it decides nothing alone."""
    semantic = {"turn_detection.type": "semantic_vad"} if key == "turn_detection.eagerness" else {}
    cloud = CLOUD if key.startswith(("auth.", "service.provider", "service.endpoint")) else {}
    return with_keys(BASE | semantic), with_keys(BASE | semantic | cloud | {key: OTHER[key]})


@pytest.mark.parametrize("key", WHEN)
async def test_each_key_changed_in_a_daemon_that_runs_is_as_if_it_was_started_with_it(key: str, tmp_path: Path) -> None:
    """There and back: every part does the same as in a daemon that has never known anything else."""
    old, new = before_and_after(key)
    assert not starts_service(old)
    async with running(tmp_path, new) as fresh, running(tmp_path, old) as speaker:
        await heard_silence(fresh)
        await heard_silence(speaker)
        before = behaviour(speaker)
        await hand_over(speaker, old, new)
        after, right = behaviour(speaker), behaviour(fresh)
        assert after == right
        assert after != before, "this key decides nothing that is compared here"
        await hand_over(speaker, new, old)
        assert behaviour(speaker) == before


async def test_what_was_measured_of_the_echo_is_forgotten_with_its_cards(tmp_path: Path) -> None:
    """Another card may have an echo that speech must not cut through; another voice has not."""
    old = with_keys(BASE)
    async with running(tmp_path, old) as speaker:
        speaker.controller.post(EchoMeasured(EchoFigures(), BargeIn.SPEECH))
        assert speaker.status()["barge_in"] == "speech"
        voice = with_keys(BASE | {"assistant.voice": "cedar"})
        await hand_over(speaker, old, voice)
        assert speaker.status()["barge_in"] == "speech"
        assert behaviour(speaker)["session"].turn_detection["interrupt_response"] is True
        await hand_over(speaker, voice, with_keys(BASE | {"audio.playback.device": "other"}))
        assert speaker.status()["barge_in"] == "wake_word"
        assert behaviour(speaker)["session"].turn_detection["interrupt_response"] is False


async def test_the_own_service_comes_and_goes(tmp_path: Path) -> None:
    """It is started before it is needed and ended when it is no more; meanwhile the model is asked for where it is."""
    old = with_keys(BASE)
    own = with_keys({key: value for key, value in BASE.items() if key != "service.endpoint"})
    other = own.model_copy(update={"service": own.service.model_copy(update={"model": "other"})})
    async with running(tmp_path, old) as speaker:
        refit = speaker._reloader._fitter
        await hand_over(speaker, old, own)
        place = behaviour(speaker)["place"]
        assert place != endpoint_of(old)
        await hand_over(speaker, own, other)
        assert behaviour(speaker)["place"] == replace(place, model="other")
        refit.tidy(other)
        assert speaker.places._own is not None
        await hand_over(speaker, other, old)
        refit.tidy(old)
        assert behaviour(speaker)["place"] == endpoint_of(old)
        await until(lambda: not speaker.places._tasks)


async def test_what_cannot_be_made_raises_before_anything_is_changed(tmp_path: Path) -> None:
    """A model that is not there, an address that is none."""
    old = with_keys(BASE)
    async with running(tmp_path, old) as speaker:
        before = behaviour(speaker)
        with pytest.raises(WakeError, match="hey_you"):
            await speaker._reloader._fitter.make(old, with_keys(BASE | {"wake.models": ["/nowhere/hey_you.onnx"]}))
        with pytest.raises(LinkError, match="not encrypted"):
            await speaker._reloader._fitter.make(old, with_keys(BASE | {"service.endpoint": "ws://example.org"}))
        assert await speaker._reloader._fitter.make(old, with_keys(BASE | {"assistant.voice": "cedar"})) is None
        assert behaviour(speaker) == before


async def test_a_model_of_the_owners_that_was_replaced_is_taken(tmp_path: Path, caplog) -> None:
    """Trained anew and copied over the one that runs; a wrong one is refused, one that is gone goes on."""
    caplog.set_level("INFO")
    own, shipped = tmp_path / "computer.onnx", wake_models()
    shutil.copy(shipped / "alexa_v0.1.onnx", own)
    old = with_keys(BASE | {"wake.models": [str(own)]})
    async with running(tmp_path, old) as speaker:
        refit = speaker._reloader._fitter
        assert await refit.make(old, old) is None
        own.write_bytes(b"half of it")
        with pytest.raises(WakeError, match="not a wake word model"):
            await refit.make(old, old)
        shutil.copy(shipped / "hey_rhasspy_v0.1.onnx", own)
        await hand_over(speaker, old, old)
        assert speaker._sound.ears.status()["chunks"] > 0
        assert f"{own} is another file by now" in caplog.text
        assert await refit.make(old, old) is None
        own.unlink()
        assert await refit.make(old, old) is None
        assert f"{own} is gone" in caplog.text


async def test_a_wrong_file_is_in_the_line_until_a_good_one_is_read(tmp_path: Path) -> None:
    """The limits stay what they were."""
    old = with_keys(BASE)
    async with running(tmp_path, old) as speaker:
        for device in Device:
            speaker.controller.post(DeviceFound(device))
        speaker._reloader._fitter.outdate()
        assert speaker.status()["line"] == f'listening for "hey jarvis"; {OUTDATED}'
        await hand_over(speaker, old, old)
        assert speaker.status()["line"] == 'listening for "hey jarvis"'


async def test_somebody_else_to_the_service(tmp_path: Path) -> None:
    """Entra's sign-in begins as after a start, its end is nobody's trouble, and nothing of it is left running."""
    old = with_keys(BASE)
    client = {"auth.client": "01234567-89ab-cdef-0123-456789abcdef", "auth.tenant": "example.onmicrosoft.com"}
    entra = with_keys(BASE | CLOUD | client | {"auth.method": "device_code", "auth.api_key_file": None})
    async with running(tmp_path, old) as speaker:
        for device in Device:
            speaker.controller.post(DeviceFound(device))
        await hand_over(speaker, old, entra)
        identity = speaker._service.identity
        assert isinstance(speaker._service.link._credentials, EntraCredentials)
        assert speaker._service.desk._keeper is identity.keeper
        await until(lambda: speaker.status()["line"] == "signed out: run speakerd login")
        await hand_over(speaker, entra, old)
        assert speaker.status()["line"] == 'listening for "hey jarvis"'
        await until(lambda: "sign-in" not in [task.get_name() for task in asyncio.all_tasks()])
        assert speaker.status()["sign_in"] == {"method": "none"}

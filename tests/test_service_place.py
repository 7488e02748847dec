"""Where the service is while the daemon runs; a process of our own comes when it is asked for, and goes."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from speakerd.core.errors import LinkError, Remedy, SpeakerdError
from speakerd.core.settings import Settings
from speakerd.realtime.endpoint import Endpoint
from speakerd.service_place import ServicePlace, service_place

OWN = Settings()
OTHER_MODEL = Settings.model_validate({"service": {"model": "other"}})
CLOUD = Settings.model_validate({"service": {"provider": "openai"}})


class Embedded:
    """A service that is started, and says when."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.failure: SpeakerdError | None = None
        self.place = ServicePlace(lambda error: self.told.append(error.code), self.serve)

    @contextlib.asynccontextmanager
    async def serve(self, _settings, on_ended):
        if self.failure is not None:
            raise self.failure
        self.on_ended = on_ended
        self.told.append("started")
        try:
            yield Endpoint(f"ws://127.0.0.1:{len(self.told)}/v1", "gpt-realtime")
        finally:
            self.told.append("ended")


async def settled() -> None:
    """Let all happen that has been asked for."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_address_is_where_it_is() -> None:
    """Nothing is started for it; one that is none is told."""
    service = Embedded()
    assert (await service.place.reach(CLOUD)).websocket_base_url == "wss://api.openai.com/v1"
    with pytest.raises(LinkError, match="not encrypted"):
        await service.place.reach(Settings.model_validate({"service": {"endpoint": "ws://example.org"}}))
    service.place.tidy(CLOUD)
    await service.place.close()
    assert service.told == []


async def test_ours_is_started_once_and_ended_when_it_is_not_used() -> None:
    """Whoever asks twice, also for another model, gets the same; asked for again later, another is started."""
    service = Embedded()
    first, second = await asyncio.gather(service.place.reach(OWN), service.place.reach(OTHER_MODEL))
    assert (first, second) == (
        Endpoint("ws://127.0.0.1:1/v1", "gpt-realtime"),
        Endpoint("ws://127.0.0.1:1/v1", "other"),
    )
    service.place.tidy(OWN)
    await settled()
    assert service.told == ["started"]
    service.place.tidy(CLOUD)
    service.place.tidy(CLOUD)
    await settled()
    assert service.told == ["started", "ended"]
    assert (await service.place.reach(OWN)).websocket_base_url == "ws://127.0.0.1:3/v1"
    service.on_ended(SpeakerdError("embedded-ended", "gone", Remedy.RETRY))
    await service.place.close()
    assert service.told[2:] == ["started", "embedded-ended", "ended"]


async def test_one_that_does_not_start_is_tried_again_when_it_is_asked_for() -> None:
    """Whoever asked is told why."""
    service = Embedded()
    service.failure = SpeakerdError("embedded-spawn", "not ready", Remedy.RETRY)
    with pytest.raises(SpeakerdError, match="not ready"):
        await service.place.reach(OWN)
    service.failure = None
    await service.place.reach(OWN)
    await service.place.close()
    assert service.told == ["started", "ended"]


async def test_who_stops_asking_takes_it_from_nobody() -> None:
    """It goes on to start, and is there for the next."""
    service = Embedded()
    asking = asyncio.create_task(service.place.reach(OWN))
    await asyncio.sleep(0)
    asking.cancel()
    await service.place.reach(OWN)
    assert service.told == ["started"]
    await service.place.close()


async def test_nothing_outlives_the_block() -> None:
    """Where nothing was started, nothing is ended either."""
    async with service_place(lambda error: None) as place:
        await place.reach(CLOUD)

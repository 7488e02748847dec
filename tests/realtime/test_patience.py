"""How long connecting is repeated."""

from __future__ import annotations

import pytest

from speakerd.core.errors import AuthError, LinkError, Remedy, SpeakerdError
from speakerd.realtime.patience import Patience


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        self.waits.append(delay_s)
        self.now_s += delay_s


async def until_given_up(error: SpeakerdError) -> Time:
    time = Time()
    with pytest.raises(SpeakerdError) as given_up:
        await always_failing(Patience(time.now, time.sleep), error)
    assert given_up.value is error
    return time


async def always_failing(patience: Patience, error: SpeakerdError) -> None:
    while True:
        await patience.after(error)


async def test_waits_grow_with_jitter_within_the_budget() -> None:
    """A service that is down is asked again for ten seconds at most, ever more slowly."""
    time = await until_given_up(LinkError("link-refused", "m", Remedy.RETRY))
    assert 100 < time.now_s < 110
    for wait, longest in zip(time.waits, [0.2, 0.4, 0.8, 1.6, 2.0, 2.0], strict=False):
        assert longest / 2 <= wait <= longest


async def test_what_the_service_asks_for_is_honoured() -> None:
    """Retry-After is waited for exactly, and where it is too long there is no second attempt."""
    assert (await until_given_up(LinkError("link-http-429", "m", Remedy.RETRY, 4.0))).waits == [4.0, 4.0]
    assert (await until_given_up(LinkError("link-http-429", "m", Remedy.RETRY, 60.0))).waits == []


async def test_a_refused_credential_gets_one_more_chance() -> None:
    """A 401 is answered with fresh headers at once, a second one is final."""
    assert (await until_given_up(LinkError("link-http-401", "m", Remedy.REAUTHENTICATE))).waits == [0.0]


async def test_what_only_a_person_can_mend_is_not_repeated() -> None:
    """Remedies of the operator end the attempts at once."""
    assert (await until_given_up(LinkError("link-http-404", "m", Remedy.OPERATOR))).waits == []
    assert (await until_given_up(AuthError("auth-none", "m", Remedy.EXIT))).waits == []

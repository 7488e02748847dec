"""What the service costs."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.core.settings import ModelPrices
from speakerd.core.spend import (
    DEAREST,
    FREE,
    NOTHING_SPENT,
    PRICES,
    Spend,
    Usage,
    estimate,
    latest,
    rate_of,
    total,
    transcription_usd,
    usage_of_reply,
)

TODAY = date(2026, 11, 22)
SECOND_TURN = Usage(text_in=43, audio_in=96, cached_text_in=0, cached_audio_in=64, text_out=18, audio_out=43)
"""A real second turn, as a service reported it."""

counts = st.integers(0, 10**6)
usages = st.builds(Usage, counts, counts, counts, counts, counts, counts)


def test_a_real_turn_costs_what_its_tokens_do() -> None:
    """Each kind has its price, and what was cached is not paid twice."""
    by_hand = (43 * 4 + (96 - 64) * 32 + 64 * 0.4 + 18 * 16 + 43 * 64) / 1e6
    assert estimate(SECOND_TURN, PRICES["gpt-realtime"]) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.0042616)


def test_a_minute_of_talk_stays_under_the_rule_of_thumb() -> None:
    """A minute, half of it listening and half speaking, costs less than 11 cents and more than 3."""
    minute = Usage(audio_in=300, audio_out=600)
    assert 0.03 < estimate(minute, PRICES["gpt-realtime"]) < 0.11


@given(usages, usages)
def test_costs_are_never_negative_and_grow_with_tokens(one: Usage, other: Usage) -> None:
    """Also where a service reports more cached tokens than it read; the dearest prices are the dearest."""
    cost = estimate(one, DEAREST)
    assert 0 <= cost <= estimate(one + Usage(text_out=other.text_out, audio_out=other.audio_out), DEAREST)
    assert all(estimate(one, row) <= cost + 1e-9 for row in PRICES.values())
    assert estimate(one, FREE) == 0


@given(usages, usages)
def test_usage_adds_up_kind_by_kind(one: Usage, other: Usage) -> None:
    """A sum holds each kind's sum."""
    both = one + other
    for kind in fields(Usage):
        assert getattr(both, kind.name) == getattr(one, kind.name) + getattr(other, kind.name)


@pytest.mark.parametrize(
    ("model", "row"),
    [
        ("gpt-realtime", "gpt-realtime"),
        ("gpt-realtime-2025-08-28", "gpt-realtime"),
        ("gpt-realtime-2.1", "gpt-realtime-2.1"),
        ("gpt-realtime-2.1-2026-07-01", "gpt-realtime-2.1"),
        ("gpt-realtime-2.1-mini", "gpt-realtime-2.1-mini"),
    ],
)
def test_a_known_model_has_its_row(model: str, row: str) -> None:
    """By name, or by the name of a dated snapshot."""
    rate = rate_of(model, {})
    assert rate.prices == PRICES[row]
    assert rate.known
    assert row in rate.source


@pytest.mark.parametrize("model", ["kitchen", "gpt-realtime-mini", "gpt-realtime-3", "gpt-realtime-2025-aug-28"])
def test_an_unknown_model_is_counted_dear_and_said_to_be(model: str) -> None:
    """Neither a deployment's own name nor a sibling of a known model is taken for a cheap one."""
    rate = rate_of(model, {})
    assert (rate.prices, rate.known) == (DEAREST, False)
    assert "budget.prices" in rate.source


def test_the_owner_s_prices_win() -> None:
    """A whole row needs no table; half a row stands over the model's own, or over the dearest."""
    whole = ModelPrices(text_in=1, text_cached=2, text_out=3, audio_in=4, audio_cached=5, audio_out=6)
    half = ModelPrices(audio_out=7)
    rate = rate_of("kitchen", {"kitchen": whole})
    assert (rate.prices.text_in, rate.prices.audio_out, rate.source, rate.known) == (1, 6, "budget.prices", True)
    rate = rate_of("kitchen", {"kitchen": half})
    assert (rate.prices.audio_out, rate.prices.audio_in, rate.known) == (7, DEAREST.audio_in, False)
    rate = rate_of("gpt-realtime", {"gpt-realtime": half, "kitchen": whole})
    assert (rate.prices.audio_out, rate.prices.audio_in, rate.known) == (7, 32, True)


def test_a_service_on_this_machine_is_free() -> None:
    """Whatever its model is called; unless the owner wants to see figures."""
    assert rate_of("gpt-realtime", {}, local=True).prices == FREE
    assert rate_of("kitchen", {}, local=True).known
    priced = rate_of("kitchen", {"kitchen": ModelPrices(audio_out=64)}, local=True)
    assert estimate(Usage(audio_out=10**6, audio_in=5), priced.prices) == 64


@pytest.mark.parametrize(
    ("model", "seconds", "audio_in", "usd"),
    [
        ("gpt-transcribe", 60.0, 0, 0.0045),
        ("gpt-4o-transcribe", 0.0, 300, 0.003),
        ("my-deployment", 60.0, 0, 0.017),
        ("gpt-transcribe", -60.0, 0, 0.0),
    ],
)
def test_writing_down_costs_by_the_minute(model: str, seconds: float, audio_in: int, usd: float) -> None:
    """Whether the service counts seconds or tokens; an unknown model is dear, and one on this machine is free."""
    assert transcription_usd(model, seconds=seconds, audio_in=audio_in) == pytest.approx(usd)
    assert transcription_usd(model, seconds=seconds, audio_in=audio_in, local=True) == 0


@pytest.mark.parametrize(("received_ms", "tokens"), [(-20, 0), (0, 0), (1, 1), (50, 1), (51, 2), (2150, 43)])
def test_a_reply_without_an_account_counts_what_came_of_it(received_ms: int, tokens: int) -> None:
    """A token for each 50 ms that was begun."""
    assert usage_of_reply(received_ms) == Usage(audio_out=tokens)


@pytest.mark.parametrize(
    ("usd", "daily_usd", "over"), [(0.0, None, False), (99.0, None, False), (0.99, 1.0, False), (1.0, 1.0, True)]
)
def test_a_budget_is_over_when_it_is_reached(usd: float, daily_usd: float | None, over: bool) -> None:
    """Without a budget nothing ever is too much."""
    assert Spend(usd=usd).is_over(daily_usd) is over


def test_a_day_begins_empty_at_midnight() -> None:
    """The same days, asked on the next date, hold nothing for today and all of it for the week."""
    days = {TODAY: Spend(SECOND_TURN, 0.5, 3)}
    tomorrow = TODAY + timedelta(days=1)
    assert total(days, TODAY) == days[TODAY]
    assert total(days, tomorrow) == NOTHING_SPENT
    assert total(days, tomorrow, 7) == days[TODAY]


def test_a_span_counts_back_from_today() -> None:
    """Seven days are today and the six before; days ahead of the clock do not count."""
    days = {TODAY + timedelta(days=offset): Spend(usd=1.0, turns=1) for offset in range(-40, 3)}
    assert [total(days, TODAY, span).turns for span in (1, 7, 30)] == [1, 7, 30]
    assert total(days, TODAY, 30).usd == 30


def test_the_latest_days_are_kept_and_today() -> None:
    """Also when today is far behind, because the clock is not set yet; a day without spend is not made up."""
    days = {TODAY - timedelta(days=ago): Spend(turns=ago) for ago in range(10)}
    assert list(latest(days, TODAY, 3)) == [TODAY - timedelta(days=ago) for ago in (2, 1, 0)]
    unset = date(1970, 1, 1)
    assert list(latest({**days, unset: Spend(turns=1)}, unset, 3)) == [unset, TODAY - timedelta(days=1), TODAY]
    assert list(latest(days, unset, 3)) == [TODAY - timedelta(days=1), TODAY]


def test_a_spend_is_plain_data() -> None:
    """Each figure under its own name, money to a millionth."""
    assert Spend(SECOND_TURN, 0.00426160001, 1).as_plain_data() == {
        "turns": 1,
        "usd": 0.004262,
        "text_in": 43,
        "audio_in": 96,
        "cached_text_in": 0,
        "cached_audio_in": 64,
        "text_out": 18,
        "audio_out": 43,
    }

"""What the service costs: tokens, prices, and the estimate that they make; a day's spend and a total of days. Pure.

Every sum of money here is an estimate by list prices. What the service really bills is on its bill. Keeping the days
on disk is ``host/ledger.py``'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date

from speakerd.core.settings import ModelPrices

REPLY_TOKEN_MS = 50
"""One token of a spoken reply (specified)."""

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by kind; a turn's, a day's or any sum. What was cached is part of what was read."""

    text_in: int = 0
    """Text tokens read."""

    audio_in: int = 0
    """Audio tokens read."""

    cached_text_in: int = 0
    """Of the text read, what was cached."""

    cached_audio_in: int = 0
    """Of the audio read, what was cached."""

    text_out: int = 0
    """Text tokens written."""

    audio_out: int = 0
    """Audio tokens spoken."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Usage)))


NO_USAGE = Usage()
"""Nothing was used."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What a model costs, in USD per million tokens."""

    text_in: float
    """Text read."""

    text_cached: float
    """Text read that was cached."""

    text_out: float
    """Text written."""

    audio_in: float
    """Audio read."""

    audio_cached: float
    """Audio read that was cached."""

    audio_out: float
    """Audio spoken."""


PRICES_AS_OF = "2026-08"
"""When the built-in prices were taken from OpenAI's list. Azure is assumed to charge the same (not verified)."""

PRICES: Mapping[str, Prices] = {
    # What gpt-realtime takes for text out is not verified; it matters little where nearly everything is audio.
    "gpt-realtime": Prices(text_in=4, text_cached=0.4, text_out=16, audio_in=32, audio_cached=0.4, audio_out=64),
    "gpt-realtime-2.1": Prices(text_in=4, text_cached=0.4, text_out=24, audio_in=32, audio_cached=0.4, audio_out=64),
    "gpt-realtime-2.1-mini": Prices(
        text_in=0.6, text_cached=0.06, text_out=2.4, audio_in=10, audio_cached=0.3, audio_out=20
    ),
}
"""The built-in table, by model (specified by OpenAI's list)."""

DEAREST = Prices(**{one.name: max(getattr(row, one.name) for row in PRICES.values()) for one in fields(Prices)})
"""The highest price of each kind: an unknown model is rather counted too dear than too cheap."""

FREE = Prices(text_in=0, text_cached=0, text_out=0, audio_in=0, audio_cached=0, audio_out=0)
"""What a service on this machine costs."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The prices that hold, and where they come from."""

    prices: Prices
    """By kind."""

    source: str
    """Where from, in a few words for people."""

    known: bool
    """False: nobody told us this model's prices, the owner should."""


def rate_of(model: str, overrides: Mapping[str, ModelPrices], *, local: bool = False) -> Rate:
    """Return the prices of a model.

    Args:
        model: Its name; on Azure the deployment's, which may say nothing about the model.
        overrides: ``budget.prices``; what a row leaves out is taken from the built-in table.
        local: The service runs on this machine and costs nothing, unless the owner names a price.
    """
    table_row = _row_of(model)
    base = FREE if local else PRICES[table_row] if table_row else DEAREST
    given = overrides[model].model_dump(exclude_none=True) if model in overrides else {}
    prices = replace(base, **given)
    if len(given) == len(fields(Prices)):
        return Rate(prices, "budget.prices", known=True)
    if local:
        source, known = "free, on this machine", True
    elif table_row:
        source, known = f"list prices of {table_row}, {PRICES_AS_OF}", True
    else:
        source, known = f"unknown model: the highest list prices, {PRICES_AS_OF}; see budget.prices", False
    return Rate(prices, f"budget.prices over {source}" if given else source, known)


def _row_of(model: str) -> str | None:
    """Find a model in the built-in table, also by the name of a dated snapshot such as gpt-realtime-2025-08-28."""
    for name in PRICES:
        rest = model.removeprefix(f"{name}-")
        if model == name or (rest != model and len(rest) == len("2025-08-28") and rest.replace("-", "").isdigit()):
            return name
    return None


def estimate(usage: Usage, prices: Prices) -> float:
    """Return what tokens cost, in USD. A service that reports more cached than read is not paid for it."""
    text_cached, audio_cached = min(usage.cached_text_in, usage.text_in), min(usage.cached_audio_in, usage.audio_in)
    return (
        (usage.text_in - text_cached) * prices.text_in
        + text_cached * prices.text_cached
        + usage.text_out * prices.text_out
        + (usage.audio_in - audio_cached) * prices.audio_in
        + audio_cached * prices.audio_cached
        + usage.audio_out * prices.audio_out
    ) / _MILLION


TRANSCRIPTION_USD_PER_MINUTE: Mapping[str, float] = {
    "gpt-realtime-whisper": 0.017,
    "gpt-live-transcribe": 0.017,
    "gpt-transcribe": 0.0045,
    "gpt-4o-transcribe": 0.006,
    "gpt-4o-mini-transcribe": 0.003,
}
"""Writing down what the user said, by model (as of ``PRICES_AS_OF``; the last two are OpenAI's own rough figures)."""

USER_TOKENS_PER_MINUTE = 600
"""One token for each 100 ms of the user's audio (specified)."""


def transcription_usd(model: str, *, seconds: float, audio_in: int, local: bool = False) -> float:
    """Return what writing down an utterance costs, in USD; a model nobody knows counts as the dearest.

    Args:
        model: Its name; on Azure the deployment's.
        seconds: Length of the sound, where the service counts time; else 0.
        audio_in: Tokens of the sound, where it counts tokens; else 0.
        local: The service runs on this machine and costs nothing.
    """
    if local:
        return 0.0
    known = TRANSCRIPTION_USD_PER_MINUTE
    minutes = seconds / 60 + audio_in / USER_TOKENS_PER_MINUTE
    return max(0.0, minutes) * known.get(model, max(known.values()))


def usage_of_reply(received_ms: int) -> Usage:
    """Return the least that a reply took whose account never came: what was received of it, as tokens spoken.

    What it read is not known, nor what was generated and not sent.
    """
    return Usage(audio_out=-(-max(0, received_ms) // REPLY_TOKEN_MS))


@dataclass(frozen=True, slots=True)
class Spend:
    """What was used and, by the estimate, spent: on one day, or on several."""

    usage: Usage = NO_USAGE
    """Tokens."""

    usd: float = 0.0
    """The estimate, by the prices that held at the time."""

    turns: int = 0
    """Turns of conversation, empty ones included."""

    def __add__(self, other: Spend) -> Spend:
        return Spend(self.usage + other.usage, self.usd + other.usd, self.turns + other.turns)

    def is_over(self, daily_usd: float | None) -> bool:
        """Tell whether a budget is used up; without a budget it never is."""
        return daily_usd is not None and self.usd >= daily_usd

    def as_plain_data(self) -> dict[str, int | float]:
        """Return everything under one name each."""
        return {"turns": self.turns, "usd": round(self.usd, 6), **asdict(self.usage)}


NOTHING_SPENT = Spend()
"""A day on which nobody talked."""


def total(days: Mapping[date, Spend], today: date, span_days: int = 1) -> Spend:
    """Sum up the last days, today included; with a span of one, today alone, which begins empty at local midnight.

    Days that lie ahead do not count: the clock was wrong once.
    """
    inside = (spend for day, spend in days.items() if 0 <= (today - day).days < span_days)
    return sum(inside, start=NOTHING_SPENT)


def latest(days: Mapping[date, Spend], today: date, count: int) -> dict[date, Spend]:
    """Return as many days as are worth keeping, the latest ones, in order; today is always among them."""
    others = sorted((day for day in days if day != today), reverse=True)[: count - 1]
    return {day: days[day] for day in sorted({*others, *({today} & days.keys())})}

"""How much of a conversation a response reads, and what happens to the rest."""

from __future__ import annotations

from typing import Any

import pytest

from speakerd.embedded.context import INPUT_TOKENS, Context, Reading
from speakerd.embedded.items import Item
from speakerd.embedded.responses import Wish
from tests.fakes.embedded import Client, kinds

HALF = "x" * (INPUT_TOKENS * 2)
"""A text of half as many tokens as a response may read."""


def item(name: str, tokens: int) -> Item:
    return Item(name, texts=["x" * 4 * tokens])


def read(items: list[Item], truncation: Any = "auto", *, context: Context | None = None, **wish: Any) -> Reading:
    """Read a conversation without instructions."""
    return (context or Context()).read(Wish(**wish), items, None, truncation)


def names(reading: Reading) -> list[str]:
    return [item.item_id for item in reading.items]


def test_what_fits_is_read() -> None:
    """Up to the limit nothing leaves."""
    reading = read([item("a", INPUT_TOKENS - 1), item("b", 1)])
    assert (names(reading), reading.given.total, reading.fits) == (["a", "b"], INPUT_TOKENS, True)


def test_the_oldest_leave_for_good() -> None:
    """With auto as many of the oldest items leave as have to, and they do not come back when there is room again."""
    items = [item("a", 10), item("b", 10), item("c", INPUT_TOKENS - 10)]
    assert names(read(items)) == ["b", "c"]
    assert names(read(items[:2])) == ["b"]
    assert [item.has_left for item in items] == [True, False, False]


def test_instructions_and_tools_take_room() -> None:
    """What a session says of itself is read first, and never leaves."""
    items = [item("a", 10), item("b", INPUT_TOKENS - 10)]
    reading = read(items, instructions="four")
    assert (names(reading), reading.given.total) == (["b"], INPUT_TOKENS - 10 + 1)
    assert names(read([item("a", INPUT_TOKENS - 10), item("b", 10)], tools=({"name": "f"},))) == ["b"]


@pytest.mark.parametrize(
    ("truncation", "kept"),
    [
        ({"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 100}}, "89"),
        ({"type": "retention_ratio", "retention_ratio": 1.0, "token_limits": {"post_instructions": 100}}, "6789"),
        ({"type": "retention_ratio", "retention_ratio": 0.0, "token_limits": {"post_instructions": 100}}, "9"),
        ({"type": "retention_ratio", "retention_ratio": 0.5}, "0123456789"),
        ({"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": None}, "0123456789"),
    ],
)
def test_a_ratio_makes_more_room_than_needed(truncation: dict[str, Any], kept: str) -> None:
    """Once the limit is exceeded, items leave until the ratio of it is reached; the limit can be lowered."""
    assert "".join(names(read([item(str(number), 25) for number in range(10)], truncation))) == kept


def test_disabled_truncation_lets_nothing_leave() -> None:
    """What does not fit is not read at all, and everything stays."""
    items = [item("a", 10), item("b", INPUT_TOKENS)]
    assert not read(items, "disabled").fits
    assert not items[0].has_left
    assert read(items[:1], "disabled").fits


@pytest.mark.parametrize("truncation", ["auto", "disabled", {"type": "retention_ratio", "retention_ratio": 0.5}])
def test_what_cannot_leave_has_to_fit(truncation: Any) -> None:
    """A last item, or instructions, longer than the limit cannot be read."""
    assert not read([item("a", INPUT_TOKENS + 1)], truncation).fits
    assert not read([], truncation, instructions="x" * 4 * (INPUT_TOKENS + 1)).fits


def test_what_is_asked_out_of_band_makes_nothing_leave() -> None:
    """A response beside the conversation, or to input of its own, reads what fits and changes nothing."""
    items = [item("a", 10), item("b", INPUT_TOKENS)]
    assert names(read(items, in_conversation=False)) == ["b"]
    assert Context().read(Wish(), [], items, "auto").items == (items[1],)
    assert not items[0].has_left


def test_a_new_beginning_is_not_cached() -> None:
    """After items have left, the instructions alone were read before; from then on all of the rest is, too."""
    context, items = Context(), [item("a", 10), item("b", 20), item("c", 30)]
    limit = {"type": "retention_ratio", "retention_ratio": 1.0, "token_limits": {"post_instructions": 50}}
    cached = [
        read(some, limit, context=context, instructions="four").cached.total for some in (items[:2], items, items)
    ]
    assert cached == [0, 1, 51]


def test_conversation_that_grew_too_long_goes_on(client: Client) -> None:
    """With auto a client is told nothing but a smaller usage; the item that left can still be retrieved."""
    first = client.write(HALF)[0]["item"]["id"]
    client.write(HALF)
    client.send("response.create")
    client.conversation.finish(client.answering())
    done = client.events()[0]["response"]
    assert (done["status"], done["usage"]["input_tokens"] <= INPUT_TOKENS) == ("completed", True)
    assert kinds(client.send("conversation.item.retrieve", item_id=first)) == ["conversation.item.retrieved"]


def test_conversation_that_may_not_be_truncated_fails(client: Client) -> None:
    """With disabled the response fails, until the client has made room by itself."""
    client.send("session.update", session={"type": "realtime", "truncation": "disabled"})
    first = client.write(HALF)[0]["item"]["id"]
    client.write(HALF)
    events = client.send("response.create")
    assert kinds(events) == ["response.created", "response.done", "rate_limits.updated"]
    failed = events[1]["response"]
    assert (failed["status"], failed["usage"]["total_tokens"]) == ("failed", 0)
    error = failed["status_details"]["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "context_length_exceeded")
    client.send("conversation.item.delete", item_id=first)
    assert kinds(client.send("response.create")) == ["response.created"]


@pytest.fixture
def client() -> Client:
    return Client()

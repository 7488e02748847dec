"""Items and their order."""

from __future__ import annotations

import pytest

from speakerd.embedded.items import History, Item, Tokens, parse_item
from speakerd.embedded.validate import Refusal


def test_tokens_follow_the_audio() -> None:
    """A user's audio is counted down to 100 ms, an assistant's up to 50 ms."""
    pcm = bytearray(48 * 2796)
    assert Item("a", audio=pcm).tokens() == Tokens(0, 27)
    assert Item("b", role="assistant", audio=pcm, transcript="1234567").tokens() == Tokens(2, 56)
    assert Item("c", texts=["12345"]).tokens() == Tokens(2, 0)


def test_an_item_is_shown_as_the_service_shows_it() -> None:
    """Roles choose the content's type; the audio itself comes only when asked for."""
    item = Item("a", role="assistant", audio=bytearray(2), transcript="Hi")
    assert item.shown()["content"] == [{"type": "output_audio", "transcript": "Hi"}]
    assert item.shown(audio=bytes)["content"][0]["audio"] == "AAA="
    call = Item("b", "function_call", extra={"name": "f", "call_id": "c", "arguments": "{}"})
    assert call.shown() == {
        "id": "b",
        "type": "function_call",
        "status": "completed",
        "name": "f",
        "call_id": "c",
        "arguments": "{}",
    }


def test_spoken_items_are_parsed() -> None:
    """A client may create an item with audio and text."""
    content = [{"type": "input_text", "text": "see"}, {"type": "input_audio", "audio": bytes(2), "transcript": "x"}]
    item = parse_item({"type": "message", "role": "user", "content": content}, "a")
    assert (item.texts, item.audio, item.words) == (["see"], bytearray(2), "see x")


def test_history_keeps_the_order_it_is_told() -> None:
    """Items go to the end, to the front, or after another; wrong places are refused."""
    history = History()
    history.insert(Item("b"), None)
    history.insert(Item("a"), "root")
    history.insert(Item("c"), "b")
    history.insert(Item("b2"), "b")
    assert [item.item_id for item in history] == ["a", "b", "b2", "c"]
    assert (history.previous_of("a"), history.previous_of("c")) == (None, "b2")
    for item, after in ((Item("a"), None), (Item("z"), "nowhere")):
        with pytest.raises(Refusal):
            history.insert(item, after)
    history.remove("b")
    assert len(history) == 3


def test_the_oldest_audio_fades() -> None:
    """Beyond its bound a conversation lets go of the audio that came first; length, words and cost stay."""
    history = History(kept_bytes=48_000)
    first = Item("a", audio=bytearray(24_000), transcript="said")
    history.append(first)
    cost = first.tokens()
    history.insert(Item("b", audio=bytearray(24_000)), "root")
    assert first.audio == bytearray(24_000)
    history.append(Item("c", audio=bytearray(2)))
    assert (first.audio, first.audio_ms, first.words, first.tokens()) == (b"", 500, "said", cost)
    assert first.shown(audio=bytes)["content"] == [{"type": "input_audio", "transcript": "said", "audio": ""}]
    history.remove("b")  # and makes room
    history.append(Item("d", audio=bytearray(40_000)))
    assert [len(item.audio or b"") for item in history] == [0, 2, 40_000]


def test_the_newest_audio_is_kept_however_long() -> None:
    """What was said last is there, even alone beyond the bound."""
    history = History(kept_bytes=100)
    for name in "ab":
        history.append(Item(name, audio=bytearray(1000)))
    assert [len(item.audio or b"") for item in history] == [0, 1000]


@pytest.mark.parametrize(("end", "kept", "length"), [(1500, 500, 1500), (800, 0, 800), (0, 0, 0)])
def test_faded_audio_is_cut_by_its_length(end: int, kept: int, length: int) -> None:
    """A cut falls where it would if all of the audio were there."""
    item = Item("a", role="assistant", audio=bytearray(1000), faded_bytes=1000, transcript="said")
    item.cut(end)
    assert (len(item.audio or b""), item.faded_bytes + len(item.audio or b""), item.transcript) == (kept, length, None)

"""The log on standard error."""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from speakerd.core.story import Kind, story
from speakerd.host.logs import mask, set_up
from speakerd.host.notify import journal


def journal_at(stream: TextIO) -> dict[str, str]:
    """Return what systemd says of a stream that it has connected with its journal."""
    status = os.fstat(stream.fileno())
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def test_people_get_a_time_a_level_and_an_area() -> None:
    """One line a record, and nothing below the level asked for."""
    stream = io.StringIO()
    set_up("info", stream=stream, environment={})
    logging.getLogger("speakerd.audio").debug("period %d", 3)
    logging.getLogger("speakerd.audio").warning("xruns %d", 3)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} WARNING speakerd\.audio: xruns 3\n", stream.getvalue())


def test_other_packages_speak_from_warning_on() -> None:
    """At debug it is our own traffic that is shown, not a library's, which may hold headers."""
    stream = io.StringIO()
    set_up("debug", stream=stream, environment={})
    logging.getLogger("websockets.client").info("sent headers")
    logging.getLogger("speakerd.x").debug("ours")
    assert "ours" in stream.getvalue()
    assert "headers" not in stream.getvalue()


def test_setting_up_again_does_not_write_twice() -> None:
    """The last call counts."""
    first, second = io.StringIO(), io.StringIO()
    set_up("info", stream=first, environment={})
    set_up("info", stream=second, environment={})
    logging.getLogger("speakerd").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


@pytest.mark.parametrize(("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3)])
def test_the_journal_gets_a_priority_on_every_line(level: str, priority: int, tmp_path: Path) -> None:
    """Under systemd each line of a record carries its priority and no time."""
    with (tmp_path / "journal").open("w+") as stream:
        set_up("debug", stream=stream, environment=journal_at(stream), journal=lambda: None)
        logging.getLogger("speakerd").log(getattr(logging, level.upper()), "one\ntwo")
        stream.seek(0)
        assert stream.read() == f"<{priority}>speakerd: one\n<{priority}>two\n"


@pytest.mark.parametrize("named", ["1:1", ""])
def test_a_terminal_in_a_unit_is_still_for_people(named: str, tmp_path: Path) -> None:
    """When the variable names another stream than ours, no priorities are written."""
    with (tmp_path / "file").open("w+") as stream:
        set_up("info", stream=stream, environment={"JOURNAL_STREAM": named})
        logging.getLogger("speakerd").info("hello")
        stream.seek(0)
        assert not stream.read().startswith("<")


def test_no_stream_but_a_file_is_the_journal() -> None:
    """A stream without a descriptor is for people."""
    stream = io.StringIO()
    set_up("info", stream=stream, environment={"JOURNAL_STREAM": "1:1"})
    logging.getLogger("speakerd").info("hello")
    assert not stream.getvalue().startswith("<")


def test_a_secret_in_a_traceback_is_masked() -> None:
    """What an exception says is text like any other."""
    stream = io.StringIO()
    set_up("info", stream=stream, environment={})
    try:
        raise ValueError("Authorization: Bearer hunter2hunter2")  # noqa: TRY301 - the traceback is what is looked at
    except ValueError:
        logging.getLogger("speakerd").exception("broken for %s", "api-key: hunter2hunter2")
    assert "hunter2" not in stream.getvalue()
    assert "ValueError: Authorization: Bearer [masked]" in stream.getvalue()


@pytest.mark.parametrize(
    "secret",
    [
        "Authorization: Bearer abc.def-ghi",
        "{'api-key': 'abcdefgh'}",
        "wss://host/?api-key=abcdefgh&model=x",
        'access_token="abcdefgh"',
        "sk-proj-abcdefghijkl",
        "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln",
        "0123456789abcdef0123456789abcdef",
        "A1" * 42,
    ],
)
def test_what_looks_like_a_secret_is_masked(secret: str) -> None:
    """Keys and tokens are found by their name or by their form."""
    masked = mask(f"before {secret} after")
    assert "[masked]" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert not re.search("abcdef|abc.def|A1A1|c2ln", masked)


@pytest.mark.parametrize(
    "text",
    ["auth.api_key_file: is empty", "tokens 123456", "sess_CGaXVsJY3ZpzJ8Wf", "heard 1200 ms of item_abc", "a bearer"],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Names, figures and identifiers of the service are not masked."""
    assert mask(text) == text


@pytest.fixture
def entries(tmp_path: Path) -> Iterator[list[dict[str, Any]]]:
    """Return the entries that a journal has got."""
    got: list[dict[str, Any]] = []
    with (tmp_path / "journal").open("w+") as stream:
        write = lambda message, **fields: got.append({"MESSAGE": message, **fields})  # noqa: E731 - it is the whole fake
        set_up("info", stream=stream, environment=journal_at(stream), journal=lambda: write)
        yield got
        stream.seek(0)
        assert stream.read() == "", "an entry with fields is not written as a line too"
    set_up("info", stream=io.StringIO(), environment={})


def test_an_entry_of_the_journal_is_words_and_fields(entries: list[dict[str, Any]]) -> None:
    """Plain words as the message; beside them the area, the place in the code, and what was told as fields."""
    logging.getLogger("speakerd.audio").warning("%s is gone", "it", extra=story(Kind.DEVICE_LOST, device="microphone"))
    logging.getLogger("speakerd.audio").info("and that is all")
    told, plain = entries
    assert (told["MESSAGE"], told["PRIORITY"], told["SYSLOG_IDENTIFIER"]) == ("it is gone", "4", "speakerd")
    assert (told["SPEAKERD_AREA"], Path(told["CODE_FILE"]).name) == ("speakerd.audio", "test_logs.py")
    assert (told["MESSAGE_ID"], told["SPEAKERD_DEVICE"]) == (Kind.DEVICE_LOST.value, "microphone")
    assert (plain["MESSAGE"], plain["PRIORITY"]) == ("and that is all", "6")
    assert "MESSAGE_ID" not in plain


def test_no_field_of_the_journal_holds_a_secret(entries: list[dict[str, Any]]) -> None:
    """What looks like one is masked in the words, the traceback and the fields; a message id is none."""
    try:
        raise ValueError("Bearer hunter2hunter2")  # noqa: TRY301 - the traceback is what is looked at
    except ValueError:
        logging.getLogger("speakerd").exception(
            "api-key: hunter2hunter2", extra=story(Kind.TURN, code="sk-hunter2hunter2")
        )
    (told,) = entries
    assert "hunter2" not in repr(told)
    assert "ValueError: Bearer [masked]" in told["MESSAGE"]
    assert told["MESSAGE_ID"] == Kind.TURN.value


def test_a_journal_that_takes_nothing_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversation goes on."""

    def write(_message: str, **_fields: str) -> None:
        raise OSError("the journal is full")

    monkeypatch.setattr(logging, "raiseExceptions", False)
    with (tmp_path / "journal").open("w+") as stream:
        set_up("info", stream=stream, environment=journal_at(stream), journal=lambda: write)
        logging.getLogger("speakerd").info("hello")
    set_up("info", stream=io.StringIO(), environment={})


def test_without_its_socket_there_is_no_journal(tmp_path: Path) -> None:
    """Systemd's library would say nothing, and the log would be lost; with it, its own way of sending is used."""
    assert journal(tmp_path / "socket") is None
    (tmp_path / "socket").touch()
    found = journal(tmp_path / "socket")
    assert found is not None
    assert found.__module__ == "systemd.journal"

"""The log on standard error."""

from __future__ import annotations

import io
import logging
import os
import re
from pathlib import Path

import pytest

from speakerd.host.logs import mask, set_up


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
        status = os.fstat(stream.fileno())
        set_up("debug", stream=stream, environment={"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
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

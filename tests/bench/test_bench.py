"""The topics of the bench are those of the command line."""

from __future__ import annotations

import pytest

from speakerd import cli
from speakerd.bench import TOPICS
from speakerd.options import build_parser


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_can_be_asked_for(topic: str) -> None:
    """By its name, with as many turns as one likes."""
    arguments = build_parser(cli.COMMANDS).parse_args(["bench", topic, "--turns", "2"])
    assert (arguments.topic, arguments.turns) == (topic, 2)


def test_the_latency_is_measured_unless_told_otherwise() -> None:
    """With the topic's own number of turns."""
    arguments = build_parser(cli.COMMANDS).parse_args(["bench"])
    assert (arguments.topic, arguments.turns) == ("latency", None)


@pytest.mark.parametrize(
    "wrong",
    [
        ["bench", "everything"],
        ["bench", "echo", "--minutes", "0"],
        ["bench", "--turns", "0"],
        ["bench", "--turns", "some"],
    ],
)
def test_wrong_usage_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is measured."""
    with pytest.raises(SystemExit) as ended:
        build_parser(cli.COMMANDS).parse_args(wrong)
    assert ended.value.code == 2
    assert "usage: speakerd bench" in capsys.readouterr().err


def test_the_help_says_what_is_measured_and_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """For each topic."""
    with pytest.raises(SystemExit):
        build_parser(cli.COMMANDS).parse_args(["bench", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{topic}: " in shown for topic in TOPICS)
    assert "minutes" in shown
    assert "Every topic exits with 1" in shown

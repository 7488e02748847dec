"""The topics of the bench are those of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from speakerd import cli
from speakerd.bench import TOPICS
from speakerd.options import build_parser
from tests.bench.test_accuracy_files import tone, wav
from tests.fakes.models import wake_models


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
        ["bench", "latency", "clips"],
        ["bench", "accuracy", "--snr", "10,loud"],
        ["bench", "accuracy", "--snr", "100"],
        ["bench", "accuracy", "--snr", "nan"],
        ["bench", "accuracy", "--seed", "-1"],
        ["bench", "evening", "--seed", "one"],
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


def test_accuracy_takes_a_folder_noise_and_ratios() -> None:
    """In any order, as long as the folder comes right behind the topic."""
    parse = build_parser(cli.COMMANDS).parse_args
    given = parse(["bench", "accuracy", "clips", "--noise", "fan", "--snr", "clean,10,0,10,-2.5", "--seed", "3"])
    assert (given.topic, given.folder, given.noise) == ("accuracy", Path("clips"), Path("fan"))
    assert given.snr == (None, 10.0, 0.0, -2.5)
    assert parse(["bench", "--snr=-5", "accuracy", "clips"]).snr == (-5.0,)
    plain = parse(["bench", "accuracy"])
    assert (plain.folder, plain.noise, plain.snr) == (None, None, None)


def test_accuracy_is_measured_at_the_configured_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the file that is named; without a clip it exits with 1."""
    wake_models()
    config = tmp_path / "speakerd.yaml"
    config.write_text("wake: {models: [hey_jarvis, alexa], threshold: strict, gate: false}\n")
    clips = tmp_path / "clips" / "alexa"
    clips.mkdir(parents=True)
    arguments = ["bench", "accuracy", str(clips.parent), "-c", str(config), "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == cli.FAILED
    assert "those with the wake word into hey_jarvis or alexa" in capsys.readouterr().out
    wav(clips / "hum.wav", tone(16_000), 16_000)
    assert cli.main([*arguments, "--snr", "clean"]) == cli.OK
    said = capsys.readouterr().out
    assert "hey_jarvis, alexa at 0.7, engine lean, gate off" in said
    assert "alexa: 1 clips, the wake word alexa" in said
    assert (tmp_path / "out" / "accuracy.svg").exists()


@pytest.mark.parametrize("topic", TOPICS)
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(
    topic: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a sentence, with what to do; minutes of measuring are not thrown away at their end."""
    (tmp_path / "file").touch()
    for out, why in ((tmp_path / "file", "File exists"), (Path("/proc/nowhere"), "No such file or directory")):
        assert cli.main(["bench", topic, "--out", str(out)]) == cli.FAILED
        said = capsys.readouterr()
        assert said.err == f"speakerd: bench-folder: cannot write into {out}: {why}. --out DIR names another folder\n"
        assert said.out == ""


def test_a_disk_that_fills_up_is_told(tmp_path: Path) -> None:
    """And no traceback; a limit of the process stands in for the disk."""
    wake_models()
    (tmp_path / "clips" / "other").mkdir(parents=True)
    wav(tmp_path / "clips" / "other" / "hum.wav", tone(16_000), 16_000)
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); from speakerd import cli; "
    run = subprocess.run(
        [sys.executable, "-c", f"{small} raise SystemExit(cli.main(['bench', 'accuracy', 'clips', '--snr', 'clean']))"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == cli.FAILED
    assert run.stderr.startswith("speakerd: bench-folder: cannot write into bench or "), run.stderr
    assert run.stderr.endswith(": File too large\n")

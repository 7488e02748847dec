"""What every story plays on: a stage of its own, somebody who speaks, and a service that understands English.

A story that fails shows the daemon's last lines; none leaves a process behind.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speakerd.demo.mouth import find_mouth
from speakerd.demo.process import StageError, last_lines
from speakerd.demo.simcard import CardProfile
from speakerd.demo.stage import Stage, merged
from speakerd.embedded.spawn import parse_announcement
from tests.fakes.models import wake_models
from tests.fakes.stories import processes_in

QUIET_ROOM = CardProfile(noise_dbfs=-70.0)
"""A microphone that does not hear the loudspeaker: for the stories that are not about echo."""

SERVICE_START_S = 60.0

_stages = pytest.StashKey[list[Stage]]()

Play = Callable[..., Stage]
Voice = Callable[[str], NDArray[np.int16]]


@pytest.fixture(scope="session")
def voice() -> Voice:
    """Return somebody who speaks: a sentence to samples at the room's rate, the same every time."""
    try:
        return find_mouth().speak
    except StageError as nobody:
        pytest.skip(f"nobody can speak here: {nobody}")


@pytest.fixture(scope="session")
def neural_url() -> Iterator[str]:
    """Start one service that hears and speaks English, for all stories that do not break it."""
    command = [sys.executable, "-m", "speakerd", "emulate", "--port", "0", "--tier", "auto", "--log-level", "warning"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        impatience = threading.Timer(SERVICE_START_S, process.kill)
        impatience.start()
        try:
            announced = parse_announcement(process.stdout.readline())
            impatience.cancel()
            assert announced is not None, "the embedded service did not come up"
            if announced.tier != "neural":
                pytest.skip("the packages of speakerd[local] are not installed: nobody here understands English")
            yield announced.url
        finally:
            impatience.cancel()
            process.terminate()


@pytest.fixture
def play(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Play]:
    """Return a maker of stages: a scripted service and no echo unless asked otherwise."""
    wake_models()
    stages = request.node.stash[_stages] = []

    def make(*, config: dict[str, Any] | None = None, **options: Any) -> Stage:
        wanted = merged({"service": {"transcription": "whisper-1"}}, config or {})
        stage = Stage(
            tmp_path / f"stage{len(stages) or ''}",
            **{"tier": "scripted", "card": QUIET_ROOM, "config": wanted, "room_s": 120.0, **options},
        )
        stages.append(stage)
        return stage

    yield make
    for stage in stages:
        assert processes_in(stage.directory) == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show what the daemon and the diary said last, where a story fails."""
    report = yield
    if report.failed:
        for stage in item.stash.get(_stages, []):
            marks = [json.dumps(mark) for mark in stage.marks() if mark["name"] not in ("uplink", "downlink")]
            report.sections.append(("the daemon's last lines", last_lines(stage.log(), 40)))
            report.sections.append(("the diary's last marks", "\n".join(marks[-40:])))
            report.sections.append(("the service's last lines", last_lines(stage.service.output(), 10)))
    return report

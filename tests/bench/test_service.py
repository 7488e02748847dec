"""The service as a process: started, timed, weighed, and its refusal passed on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speakerd.bench.service import cpu_s, did_not_start, peak_mb, resident_mb, serving
from speakerd.core.errors import SpeakerdError


def test_a_missing_tier_is_told_from_a_failure() -> None:
    """Its own sentence is kept; anything else shows the last lines."""
    missing = did_not_start(78, "a warning\nspeakerd: embedded-tier: the neural tier needs packages\n")
    assert (missing.code, str(missing)) == ("embedded-tier", "the neural tier needs packages")
    broken = did_not_start(1, "Traceback\nMemoryError\n")
    assert broken.code == "embedded-spawn"
    assert "MemoryError" in str(broken)


async def test_a_tier_that_is_not_installed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends by itself and the reason comes through, at once and not after a time-out."""
    (tmp_path / "hibari.py").write_text("raise ImportError('no hibari on this machine')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(SpeakerdError, match=r"speakerd\[local\]") as refused:
        async with serving("neural", tmp_path / "service.log"):
            raise AssertionError
    assert refused.value.code == "embedded-tier"


async def test_a_service_is_timed_and_weighed(tmp_path: Path) -> None:
    """It says where it listens, how long that took and which process it is; the process is gone afterwards."""
    begun_s = time.monotonic()
    async with serving("scripted", tmp_path / "service.log") as service:
        assert 0.0 < service.ready_s <= time.monotonic() - begun_s
        assert service.url.startswith("ws://127.0.0.1:")
        assert 5.0 < resident_mb(service.pid) <= peak_mb(service.pid)
        assert cpu_s(service.pid) > 0.0
    with pytest.raises(ProcessLookupError):
        os.kill(service.pid, 0)


def test_cpu_seconds_are_those_of_the_process() -> None:
    """What Python itself counts for this process, to a clock tick."""
    counted_s = time.process_time()
    assert counted_s - 0.05 <= cpu_s(os.getpid()) <= time.process_time() + 0.05


def test_memory_grows_by_what_is_held() -> None:
    """Fifty million bytes that are touched are fifty more, in a process where nothing else comes and goes."""
    code = (
        "import os; from speakerd.bench.service import resident_mb; before_mb = resident_mb(os.getpid());"
        "held = bytearray(b'x') * 50_000_000; print(resident_mb(os.getpid()) - before_mb)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 45.0 < float(ran.stdout) < 80.0

"""Measure what azure-identity weighs: in a worker that lives for a second, and in a daemon that would keep it.

    .venv/bin/python .ci/library_figures.py [--rounds N]

Against the stand-in for Microsoft Entra ID of the tests, so without a network's time. CPU time and memory hold on a
busy machine too. What a fetch does to the daemon's loop and to its sound is measured in ``sign_in_figures.py``.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from speakerd.auth.request import Request  # noqa: E402 - found through the line above

WORKER = (sys.executable, "-I", "-m", "speakerd.auth.worker")

IMPORT = "import time; b = time.process_time(); import azure.identity; print(time.process_time() - b)"

DAEMON = """
import json, logging, os, sys, time
import openai.resources.realtime, speakerd.app  # what a daemon has in its memory anyway
from pathlib import Path
from speakerd.auth.request import Request
from speakerd.auth.worker import serve

def mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

logging.disable(logging.CRITICAL)
request, found = Request.from_json(sys.argv[1]), {"before": mb()}
for name in ("first", "second", "third"):
    begun = time.process_time()
    assert serve(request, os.environ, lambda event, fields: None) == 0
    found[name] = mb()
    found[name + "_cpu"] = 1000 * (time.process_time() - begun)
print(json.dumps(found))
"""


def peak_mb(pid: int) -> float:
    """Return the most that a process has held so far; what wait4 says counts its parent's memory too."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def by_worker(request: Request) -> dict[str, float]:
    """Let a worker fetch a token; return what it took."""
    begun_s, most_mb, said = time.monotonic(), 0.0, b""
    child = subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(request.to_json().encode() + b"\n")
    child.stdin.close()
    os.set_blocking(child.stdout.fileno(), False)
    while (piece := child.stdout.read()) != b"":
        said += piece or b""
        most_mb = max(most_mb, peak_mb(child.pid))
        select.select([child.stdout], [], [], 0.005)
    assert b'"token"' in said
    child.stdout.close()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = status
    cpu_ms = 1000 * (used.ru_utime + used.ru_stime)
    return {"wall": 1000 * (time.monotonic() - begun_s), "cpu": cpu_ms, "peak": most_mb}


def printed_by(*arguments: str) -> str:
    """Run a program of ours in a Python of its own; return what it printed."""
    command = [sys.executable, "-c", *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout  # noqa: S603 - our own program


def show(name: str, rows: Sequence[Mapping[str, float]], key: str, unit: str, less: str | None = None) -> None:
    """Print the median, the least and the most of one figure."""
    figures = [row[key] - (0.0 if less is None else row[less]) for row in rows]
    spread = f"{min(figures):.1f} to {max(figures):.1f}"
    print(f"{name:58} {statistics.median(figures):7.1f} {unit} ({spread}, {len(figures)} runs)")


def sign_in(request: Request, approve: object) -> None:
    """Sign somebody in who enters the code at once."""
    child = subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(replace(request, do="login").to_json().encode() + b"\n")
    child.stdin.close()
    assert callable(approve)
    approve(json.loads(child.stdout.readline())["user_code"])
    child.stdout.read()
    assert child.wait() == 0


def main() -> None:
    """Measure and print."""
    from tests.fakes.entra import Entra
    from tests.fakes.entra_directory import CLIENT, SCOPE, TENANT

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = range(parser.parse_args().rounds)
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, Entra(Path(folder) / "authority") as authority:
        os.environ.update(authority.environment, RUNTIME_DIRECTORY=folder)
        request = Request("device_code", SCOPE, Path(folder) / "state", tenant=TENANT, client=CLIENT)
        sign_in(request, authority.directory.approve)
        fetch = replace(request, force=True)
        workers = [by_worker(fetch) for _ in rounds]
        daemons = [json.loads(printed_by(DAEMON, fetch.to_json())) for _ in rounds]
    imports = [{"cpu": 1000 * float(printed_by(IMPORT))} for _ in rounds]
    show("worker: a fetch, on the clock", workers, "wall", "ms")
    show("worker: a fetch, CPU", workers, "cpu", "ms")
    show("worker: memory at its most", workers, "peak", "MB")
    show("importing the library, CPU", imports, "cpu", "ms")
    show("daemon without the library: memory", daemons, "before", "MB")
    show("daemon that signs in itself: first fetch, CPU", daemons, "first_cpu", "ms")
    show("daemon that signs in itself: third fetch, CPU", daemons, "third_cpu", "ms")
    show("daemon that signs in itself: memory more, for good", daemons, "third", "MB", less="before")


if __name__ == "__main__":
    main()

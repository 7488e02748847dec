"""What a token costs: fetched by a worker, and by a thread of the daemon instead. A measurement, not a test.

    python -m tests.auth.cost [ROUNDS]

Against the fake authority on loopback, so without a network's time. The numbers hold for the machine they were taken
on; ratios travel better. Memory is what the kernel counts as resident.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from speakerd.auth.cache import AccountFile
from speakerd.auth.library import Attempt
from speakerd.auth.private_home import private_home
from speakerd.auth.request import Request
from tests.fakes.entra import Entra
from tests.fakes.entra_directory import CLIENT, SCOPE, TENANT

_COMMAND = [sys.executable, "-I", "-m", "speakerd.auth.worker"]
_TICK_S = 0.001


def rss_mb() -> float:
    """Return what this process holds in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def worker(request: Request) -> dict[str, float]:
    """Let a worker fetch a token; return what it took."""
    begun = time.monotonic()
    child = subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    child.stdin.write(request.to_json().encode() + b"\n")
    child.stdin.close()
    assert b'"token"' in child.stdout.read()
    child.stdout.close()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = status
    return {
        "wall_ms": (time.monotonic() - begun) * 1000,
        "cpu_ms": (used.ru_utime + used.ru_stime) * 1000,
        "rss_mb": used.ru_maxrss / 1024,
    }


async def worst_stall_ms(work: Callable[[], Awaitable[object]]) -> float:
    """Return the longest time that the event loop could not run while something was going on."""
    worst, going = 0.0, True

    async def tick() -> None:
        nonlocal worst
        while going:
            before = time.monotonic()
            await asyncio.sleep(_TICK_S)
            worst = max(worst, time.monotonic() - before - _TICK_S)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.05)
    worst = 0.0
    await work()
    going = False
    await ticking
    return worst * 1000


async def daemon(request: Request) -> dict[str, float]:
    """Be a daemon: fetch with a worker, then in a thread, twice; return what it took."""
    import speakerd.app  # noqa: F401 - what a daemon has in its memory anyway

    found: dict[str, float] = {"nothing_stall_ms": await worst_stall_ms(lambda: asyncio.sleep(0.6))}

    async def by_worker() -> None:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(*_COMMAND, stdin=pipe, stdout=pipe)
        out, _ = await child.communicate(request.to_json().encode() + b"\n")
        assert b'"token"' in out

    def fetch() -> None:
        Attempt(request, os.environ, record=AccountFile(request.state).load().record).fetch()

    found["rss_before_mb"] = rss_mb()
    found["worker_stall_ms"] = await worst_stall_ms(by_worker)
    found["rss_after_worker_mb"] = rss_mb()
    kept = AccountFile(request.state).load().without_old_tokens(time.time(), force=True)
    with private_home([request.state], kept.cache) as home:
        os.environ["HOME"] = str(home)
        for name in ("first", "next"):
            cpu = time.process_time()
            found[f"{name}_stall_ms"] = await worst_stall_ms(lambda: asyncio.to_thread(fetch))
            found[f"{name}_cpu_ms"] = (time.process_time() - cpu) * 1000
            found[f"rss_after_{name}_mb"] = rss_mb()
    return found


def import_ms() -> float:
    """Return the CPU time that importing the library takes, in a process of its own."""
    program = (
        "import time; b = time.process_time(); import azure.identity, cryptography.x509; print(time.process_time() - b)"
    )
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout) * 1000


def bare() -> float:
    """Return the CPU time of a Python that does nothing."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-I", "-c", ""], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def show(name: str, values: list[float], unit: str) -> None:
    """Print the median, the least and the most."""
    low, middle, high = min(values), statistics.median(values), max(values)
    sys.stdout.write(f"{name:52} {middle:8.1f} {unit:3} ({low:.1f} to {high:.1f}, {len(values)} runs)\n")


def main(rounds: int) -> None:
    """Measure and print."""
    logging.disable(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        entra = stack.enter_context(Entra(folder / "authority"))
        os.environ.update(entra.environment, RUNTIME_DIRECTORY=str(folder))
        request = Request("device_code", SCOPE, folder / "state", tenant=TENANT, client=CLIENT)
        with subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            child.stdin.write(replace(request, do="login").to_json().encode() + b"\n")
            child.stdin.close()
            entra.directory.approve(json.loads(child.stdout.readline())["user_code"])
            child.stdout.read()
        fetch = replace(request, force=True)
        workers = [worker(fetch) for _ in range(rounds)]
        signed_out = [bare() for _ in range(rounds)]
        imports = [import_ms() for _ in range(rounds)]
        daemons = []
        for _ in range(rounds):
            command = [sys.executable, "-m", "tests.auth.cost", "daemon", fetch.to_json()]
            daemons.append(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
    show("worker: a fetch, wall", [one["wall_ms"] for one in workers], "ms")
    show("worker: a fetch, CPU", [one["cpu_ms"] for one in workers], "ms")
    show("worker: memory at its most", [one["rss_mb"] for one in workers], "MB")
    show("a Python that does nothing, CPU", signed_out, "ms")
    show("importing the library, CPU", imports, "ms")
    show("daemon: longest stall with nothing going on", [one["nothing_stall_ms"] for one in daemons], "ms")
    show("daemon: longest stall, fetch by a worker", [one["worker_stall_ms"] for one in daemons], "ms")
    grown = [one["rss_after_worker_mb"] - one["rss_before_mb"] for one in daemons]
    show("daemon: memory added, fetch by a worker", grown, "MB")
    show("daemon: longest stall, first fetch in a thread", [one["first_stall_ms"] for one in daemons], "ms")
    show("daemon: longest stall, next fetch in a thread", [one["next_stall_ms"] for one in daemons], "ms")
    show("daemon: CPU, first fetch in a thread", [one["first_cpu_ms"] for one in daemons], "ms")
    show("daemon: CPU, next fetch in a thread", [one["next_cpu_ms"] for one in daemons], "ms")
    grown = [one["rss_after_next_mb"] - one["rss_after_worker_mb"] for one in daemons]
    show("daemon: memory added for good by the thread", grown, "MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["daemon"]:
        logging.disable(logging.CRITICAL)
        sys.stdout.write(json.dumps(asyncio.run(daemon(Request.from_json(sys.argv[2])))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)

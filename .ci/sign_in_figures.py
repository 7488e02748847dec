"""Measure what signing in costs the daemon, beside the same in a thread.

    .venv/bin/python .ci/sign_in_figures.py [--fetches N]

Against the stand-in for Microsoft Entra ID of the tests, with the real library: in a child process, as the daemon does
it, and in a thread of this process, as it could. What the loop does meanwhile is a tick every 20 ms, as with sound.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import timeit
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

TICK_S = 0.02
QUIET_S = 3.0


class Stalls:
    """How long each step of the loop takes: on the clock, and in CPU time of its thread."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float]] = []
        self._run = asyncio.events.Handle._run  # noqa: SLF001 - there is no other door to it
        steps, run = self.steps, self._run

        def measured(handle: Any) -> None:
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            run(handle)
            steps.append((time.perf_counter() - wall_s, time.thread_time() - cpu_s))

        asyncio.events.Handle._run = measured  # type: ignore[method-assign] # noqa: SLF001 - the same

    def longest_ms(self) -> tuple[float, float]:
        """Return the longest steps since the last question: on the clock, and in CPU time."""
        walls, cpus = zip(*self.steps, strict=True)
        self.steps.clear()
        return 1000 * max(walls), 1000 * max(cpus)


class Period(threading.Thread):
    """A thread that wants the interpreter every 20 ms, as those of the sound cards do; how late it gets it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.late_ms: list[float] = []

    def run(self) -> None:
        """Sleep and be late. Ends: with the process."""
        due_s = time.perf_counter()
        while True:
            due_s = max(due_s + TICK_S, time.perf_counter())
            time.sleep(max(0.0, due_s - time.perf_counter()))
            self.late_ms.append(1000 * (time.perf_counter() - due_s))

    def worst_ms(self) -> float:
        """Return the worst since the last question."""
        late, self.late_ms = self.late_ms, []
        return max(late)


def rss_mb() -> float:
    """Return the memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def spread(figures_ms: Sequence[float]) -> str:
    """Return best, middle and worst; on a busy machine the best says most."""
    return f"{min(figures_ms):.1f}, median {statistics.median(figures_ms):.1f}, worst {max(figures_ms):.1f} ms"


async def tick() -> None:
    """Be called as often as with sound. Ends: by cancellation."""
    while True:  # noqa: ASYNC110 - the waking is what is wanted
        await asyncio.sleep(TICK_S)


async def beside_sound(name: str, fetch: Callable[[], Awaitable[object]], count: int) -> None:
    """Fetch so many times, and print what that does to the loop and to a thread beside it."""
    stalls, period = Stalls(), Period()
    ticking = asyncio.create_task(tick())
    period.start()
    await asyncio.sleep(QUIET_S)
    quiet, quiet_late = stalls.longest_ms(), period.worst_ms()
    longest, late, took = [], [], []
    for _ in range(count):
        begun_s = time.perf_counter()
        await fetch()
        took.append(time.perf_counter() - begun_s)
        longest.append(stalls.longest_ms())
        late.append(period.worst_ms())
    ticking.cancel()
    walls, cpus = zip(*longest, strict=True)
    print(f"{name}: {count} fetches, {statistics.median(took):.2f} s each (median)")
    print(f"  longest step of the loop, clock: {spread(walls)}", end="")
    print(f" (nothing fetched: {quiet[0]:.1f})")
    print(f"  longest step of the loop, CPU:   {spread(cpus)}", end="")
    print(f" (nothing fetched: {quiet[1]:.1f})")
    print(f"  a thread beside it is late by:   {spread(late)}", end="")
    print(f" (nothing fetched: {quiet_late:.1f})")


async def in_child(authority: Any, state: Path, count: int) -> None:
    """Measure it in child processes; signs in first."""
    bare_mb = rss_mb()
    from speakerd.auth.process import Wish, Worker
    from tests.fakes.entra_directory import SCOPE

    directory = authority.directory
    environment = {"PATH": os.environ["PATH"], **authority.environment}
    worker = Worker(Wish("device_code", directory.tenant, directory.client, SCOPE, None, state), environment)
    await worker.login(lambda code: directory.approve(code.user_code))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    await beside_sound("child process", lambda: worker.fetch(force=True), count)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count
    print(f"  a child takes {cpu_s:.2f} s of CPU and {after.ru_maxrss / 1000:.0f} MB while it lives")
    print(f"  this process grew by {rss_mb() - bare_mb:.1f} MB, fakes and figures included")


async def in_thread(authority_environment: dict[str, str], wish: list[str], state: Path, count: int) -> None:
    """Measure it in a thread of this process; somebody has signed in."""
    os.environ.update(authority_environment)
    bare_mb = rss_mb()
    from speakerd.auth import worker
    from speakerd.auth.request import Request

    tenant, client, scope = wish
    request = Request("device_code", scope, state, tenant=tenant, client=client, force=True)

    def drop(_event: str, _fields: object) -> None:
        pass

    def fetch() -> None:
        assert worker.serve(request, os.environ, drop) == 0

    await beside_sound("thread", lambda: asyncio.to_thread(fetch), count)
    print(f"  this process grew by {rss_mb() - bare_mb:.1f} MB")


def cost_of_current() -> None:
    """Print what the way of a wake word pays."""
    from speakerd.auth.keeper import TokenKeeper
    from speakerd.core.token_life import Token

    async def never(force: bool) -> Token:
        raise AssertionError(force)

    async def measure() -> None:
        loop = asyncio.get_running_loop()
        keeper = TokenKeeper(never, on_change=lambda _: None, now=time.monotonic, call_at=loop.call_at)
        now_s = time.monotonic()
        keeper.adopt(Token("x" * 2000, now_s, now_s + 3600.0))
        runs = timeit.repeat(keeper.current, number=100_000, repeat=9, timer=time.thread_time)
        print(f"current(): {min(runs) * 1e4:.0f} ns, median {statistics.median(runs) * 1e4:.0f} ns of CPU")

    asyncio.run(measure())


def main() -> None:
    """Measure all of it, each way in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fetches", type=int, default=10)
    parser.add_argument("--in-thread", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_thread:
        *wish, state = options.in_thread
        asyncio.run(in_thread({}, wish, Path(state), options.fetches))
        return
    from tests.fakes.entra import Entra
    from tests.fakes.entra_directory import SCOPE

    cost_of_current()
    with tempfile.TemporaryDirectory() as folder, Entra(Path(folder) / "authority") as authority:
        authority.directory.interval_s = 1
        state = Path(folder) / "state"
        asyncio.run(in_child(authority, state, options.fetches))
        wish = (authority.directory.tenant, authority.directory.client, SCOPE, str(state))
        again = [sys.executable, __file__, "--fetches", str(options.fetches), "--in-thread", *wish]
        sys.stdout.flush()
        subprocess.run(again, env={**os.environ, **authority.environment}, check=True)  # noqa: S603 - this file


if __name__ == "__main__":
    main()

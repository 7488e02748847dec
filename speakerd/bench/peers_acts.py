"""The programs of ``speakerd bench peers`` on one stage: started in turn, talked to, weighed.

All of them hold the same conversations, one after the other, on one virtual card, in one room, through one tap with one
scripted service. Every program is started several times, and each round begins with another one, so that a machine
that grows busier is noticed by all. The card's microphone does not hear its loudspeaker: the peers cancel no echo.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from speakerd.bench import bare, talks
from speakerd.bench.cpu import QUESTION
from speakerd.bench.hops import Talk, gather
from speakerd.bench.peers_cost import family_cpu_s, family_resident_mb
from speakerd.bench.peers_install import Peer
from speakerd.bench.peers_table import BARE, OURS, Costs, Programs
from speakerd.bench.service import serving
from speakerd.bench.wire_tap import APPEND, WireTap
from speakerd.core.errors import SpeakerdError
from speakerd.demo import simcard
from speakerd.demo.process import Child, StageError
from speakerd.demo.props import HEADPHONES, cache_dir, clean_environment, merged
from speakerd.demo.stage import READY_PARTS, Stage
from speakerd.realtime.spec import SessionSpec

STARTS = 3
"""How often each program is started, turns permitting (chosen)."""

_REST_S = 1.0
"""Between two conversations of a session that stays open (chosen)."""

_LEAD_S = 0.5
"""Before the first question: a session opens in much less (measured)."""

_START_S = 60.0
"""How long a program may take until it listens: six seconds with cold disks (measured), a Pi is slower (guessed)."""

_IDLE_S = 15.0
"""How long the daemon may take to end a conversation (guessed)."""

_POLL_S = 0.02
"""How often the daemon is asked to wake while it starts: the figure is this coarse (chosen)."""

_ROOM_S, _ROOM_S_PER_TURN = 200.0, 30.0
"""How long the room lasts: for each start of a program, and for each of its turns."""

_WEIGHED: Mapping[str, Any] = {"audio": {"echo_cancellation": "on"}, "conversation": {"follow_up_s": 8.0}}
"""The daemon's configuration while its CPU time and memory are measured: the canceller works although there is nothing
to cancel, for it belongs to what the daemon costs. It is off in the other conversations, as on the bench of the
latencies: without any echo to learn from, it takes the first second of a voice over the scripted hum, or all of it, for
the hum itself (measured)."""

Act = Callable[[int], Awaitable[None]]
"""What a program does in a round, with so many conversations."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each program is looked at."""

    settle_s: float = 10.0
    """Between the first append and the first conversation: what is imported late is there by then (guessed)."""

    questions: int = 2
    """How many the CPU time of one start is measured over."""

    turn_s: float = 10.0
    """How far these are apart; an answer takes five seconds of it, the daemon listens on for eight (chosen: a clock
    tick of 10 ms is half a millisecond a second over two of them)."""


class Acts:
    """One run.

    Thread: event loop.

    Args:
        logs: Where the logs are written; it must be there.
        turns: Conversations to hold with each program.
        interpreters: The peers, each with what runs it.
        say: Told what happens.
        plan: How long each program is looked at.
    """

    def __init__(
        self, logs: Path, turns: int, interpreters: Mapping[Peer, Path], say: Callable[[str], None], plan: Plan
    ) -> None:
        self._logs = logs.resolve()
        self._turns = turns
        self._interpreters = interpreters
        self._say = say
        self._plan = plan
        self.programs: Programs = {name: Costs() for name in (BARE, OURS, *(peer.package for peer in interpreters))}
        """What was measured so far."""

    async def run(self) -> None:
        """Hold all conversations.

        Raises:
            SpeakerdError: something that must happen did not.
        """
        rounds = min(self._turns, STARTS)
        room_s = len(self.programs) * (rounds * _ROOM_S + self._turns * _ROOM_S_PER_TURN)
        async with (
            serving("scripted", self._logs / "service.log", replies=[talks.REPLY]) as service,
            WireTap(service.url) as self._tap,
            self._set(room_s) as self._stage,
        ):
            await asyncio.to_thread(talks.rehearse, self._stage)
            await asyncio.to_thread(self._stage.prepare, QUESTION)
            acts = list(self._acts().items())
            for number in range(rounds):
                turns = self._turns // rounds + (number < self._turns % rounds)
                first = number % len(acts)
                for name, act in (*acts[first:], *acts[:first]):
                    await self._turn(name, act, turns, f"start {number + 1} of {rounds}")

    async def _turn(self, name: str, act: Act, turns: int, which: str) -> None:
        """Let one program act; a peer that does not hold its conversation is passed over and counted.

        Raises:
            StageError: the daemon or the bare program did not: then there is nothing to compare.
        """
        try:
            await act(turns)
        except StageError as error:
            if name in (BARE, OURS):
                raise
            self.programs[name].failures.append(str(error))
            self._say(f"{name}: {which} failed: {error}")
        else:
            self._say(f"{name}: {which}, {turns} conversations held")

    def _set(self, room_s: float) -> Stage:
        config = merged(talks.CONFIG, {"service": {"endpoint": self._tap.url}})
        folder = self._logs / "stage"
        return Stage(folder, config=config, card=HEADPHONES, room_s=room_s, start_service=False, start_daemon=False)

    def _acts(self) -> dict[str, Act]:
        """Return what each program does in a round, in the order of the table."""
        url = f"{self._tap.url}/realtime?model=gpt-realtime"
        session = json.dumps(SessionSpec(noise_reduction=None).full())
        least = [sys.executable, "-c", bare.CONVERSE, url, session]
        acts: dict[str, Act] = {BARE: partial(self._other, BARE, least, {}), OURS: self._ours}
        for peer, python in self._interpreters.items():
            command, environment = peer.command(python, self._tap.url), peer.environment()
            acts[peer.package] = partial(self._other, peer.package, command, environment)
        return acts

    # --- the daemon --------------------------------------------------------------------------------------------------

    async def _ours(self, turns: int) -> None:
        """Start the daemon, wake it as soon as it can be asked to, talk to it; then weigh it, started anew."""
        stage, begun_s = self._stage, time.monotonic()
        try:
            await stage.start_daemon(until_ready=False)
            await self._wake(begun_s)
            await self._note_start(OURS, stage.daemon, begun_s)
            for part in READY_PARTS:
                await stage.wait_for("ready", after_s=begun_s, timeout_s=_START_S, part=part)
            stopped_s = time.monotonic()
            await stage.tell("stop")
            await stage.wait_for("state", after_s=stopped_s, timeout_s=_IDLE_S, after="idle")
            await asyncio.sleep(self._plan.settle_s)
            self._note_talks(OURS, await talks.with_daemon(stage, self._tap, turns, lambda: None))
            await stage.stop_daemon()
            await stage.start_daemon(config=_WEIGHED)
            await asyncio.sleep(self._plan.settle_s)
            self._note_memory(self.programs[OURS].ready_mb, stage.daemon)
            await stage.tell("wake")
            await self._ask(OURS, stage.daemon)
        finally:
            await stage.stop_daemon()

    async def _wake(self, begun_s: float) -> None:
        """Ask the daemon to wake until it does: it cannot while it has no microphone yet.

        Raises:
            StageError: it ended, or does not wake in time.
        """
        end_s = time.monotonic() + _START_S
        while not any(mark["before"] == "idle" for mark in self._stage.marks("state", after_s=begun_s)):
            self._stage.daemon.require_alive()
            if time.monotonic() > end_s:
                raise StageError("stage-missed", f"the daemon did not wake within {_START_S:.0f} s")
            with contextlib.suppress(SpeakerdError):  # nobody listens at its socket yet
                await self._stage.tell("wake")
            await asyncio.sleep(_POLL_S)

    # --- the others --------------------------------------------------------------------------------------------------

    async def _other(self, name: str, command: Sequence[str], environment: Mapping[str, str], turns: int) -> None:
        """Start a program whose session is open all the time, talk to it and weigh it."""
        folder = self._logs / name
        folder.mkdir(exist_ok=True)
        child = Child(name, folder / "output.log")
        plugin = simcard.build(cache_dir())
        card = simcard.write_asound_conf(folder, self._stage.room.path, plugin, card=HEADPHONES)
        begun_s = time.monotonic()
        try:
            whole = {**clean_environment(), **environment, "ALSA_CONFIG_PATH": str(card)}
            await child.start(command, env=whole, cwd=folder)
            await self._note_start(name, child, begun_s)
            await asyncio.sleep(self._plan.settle_s)
            self._note_memory(self.programs[name].ready_mb, child)
            held = []
            for _ in range(turns):
                held.append(await talks.hold(self._stage, self._tap, child, pause_s=None))
                await asyncio.sleep(_REST_S)
            self._note_talks(name, held)
            await self._ask(name, child)
        finally:
            await child.stop()

    # --- figures -----------------------------------------------------------------------------------------------------

    async def _ask(self, name: str, child: Child) -> None:
        """Ask without interrupting, and note what the answers cost; nothing where one did not come whole."""
        at_s = begun_s = self._stage.room.now_s() + _LEAD_S
        for _ in range(self._plan.questions):
            self._stage.say(QUESTION, at_s=at_s)
            at_s += self._plan.turn_s
        spent = await self._spent(child, at_s - self._stage.room.now_s())
        done = self._tap.since(begun_s, "response.done")
        ended = [each.fields["response"]["status"] for each in done]
        if ended == ["completed"] * self._plan.questions:
            self.programs[name].cpu_ms_per_s.append(spent)
        else:
            self._say(f"{name}: CPU time not measured, {self._plan.questions} questions ended as {ended}")
        self._note_memory(self.programs[name].after_mb, child)

    async def _spent(self, child: Child, span_s: float) -> float:
        """Return the CPU milliseconds a second of a program over a span of time."""
        child.require_alive()
        assert child.pid is not None
        begun_s, begun_cpu_s = time.monotonic(), family_cpu_s(child.pid)
        await asyncio.sleep(span_s)
        child.require_alive()
        return (family_cpu_s(child.pid) - begun_cpu_s) / (time.monotonic() - begun_s) * 1000

    async def _note_start(self, name: str, child: Child, begun_s: float) -> None:
        first = await self._tap.wait_for(APPEND, after_s=begun_s, timeout_s=_START_S, check=child.require_alive)
        self.programs[name].first_append_s.append(first.at_s - begun_s)

    def _note_talks(self, name: str, held: Sequence[Talk]) -> None:
        for hop, values in gather(held).items():
            self.programs[name].values[hop] += values

    def _note_memory(self, memory_mb: list[float], child: Child) -> None:
        child.require_alive()
        assert child.pid is not None
        memory_mb.append(family_resident_mb(child.pid))

"""Plays an evening's scenes on the stage: the user, who only listens, and what goes wrong meanwhile.

What happens is ``evening_plan.py``'s business, what is measured and judged ``evening.py``'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speakerd.bench.evening_plan import BREATHS, FOLLOW_UPS, REPLIES, SESSION_LIFE_S, Move, Opening, Scene, Trouble
from speakerd.core.events import Device
from speakerd.demo.diary import Mark
from speakerd.demo.process import StageError
from speakerd.demo.props import clean_environment
from speakerd.demo.room import Direction
from speakerd.demo.stage import Stage
from speakerd.embedded.spawn import READY_S, parse_announcement
from speakerd.embedded.tiers import SCRIPT_VARIABLE

WORD = "Hey Jarvis"

FOLLOW_UP_S = 1.2
"""How long the daemon listens on, in place of eight seconds: a longer window is only a longer silence (chosen)."""

REST_WITHIN_S = 40.0
"""After the last word of a scene the daemon must be at rest by then: the longest deadline that can follow is that of a
reply that does not come, 20 s, behind ten of patience with the network (specified in ``core/state.py``)."""

_ANSWER_S, _PATIENT_S = 4.0, 12.0
"""A question that was not answered by then will not be, or its phase's own deadline must tell: the scene's end is
awaited (guess; a reply begins 0.5 s after the question). The second: behind a slow network."""

_REFRACTORY_S = 2.5
"""From one wake word to the next: ``wake.refractory_s`` and a margin for what is heard late (chosen)."""

_POLL_S = 0.03
_SAME_TURN = {("thinking", "SpeechStarted"), ("thinking", "LinkLost")}
"""From where, and why, somebody is listened to in a turn that goes on: who speaks on, and who is asked again."""

_DIRECTIONS: dict[Device, Direction] = {Device.MICROPHONE: "capture", Device.LOUDSPEAKER: "playback"}


class Evening:
    """A stage with a user on it.

    Args:
        stage: With neither service nor daemon started.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._port = 0
        self._faults = stage.directory / "faults.json"
        self._asked_s = 0.0
        self._patience_s = _ANSWER_S
        self.unanswered = 0
        """Questions that brought no reply although nothing was in their way, or only for a moment."""
        self.slowest_status_ms = 0.0
        """The longest the daemon took to say how it is."""
        self.slowest_rest_s = 0.0
        """The longest it took from the last thing that was said to its being at rest."""

    async def begin(self) -> None:
        """Learn the lines, then start the service and the daemon.

        Raises:
            StageError: one of them does not come up, or nobody can speak here.
        """
        for words in (WORD, *BREATHS, *FOLLOW_UPS):
            await asyncio.to_thread(self._stage.prepare, words)
        self._set_faults({})
        await self._start_service()
        await self._stage.start_daemon()

    async def play(self, scene: Scene) -> None:
        """Play a scene and see the daemon come to rest, everything mended.

        Raises:
            StageError: it does not (code ``evening-wedged``), or does not say how it is.
        """
        stage = self._stage
        woken = stage.marks("wake")
        if woken:
            await stage.until(woken[-1]["t"] + _REFRACTORY_S)
        trouble = scene.trouble or Trouble("", harmless=True)
        self._patience_s = _PATIENT_S if scene.trouble and trouble.harmless else _ANSWER_S
        self._set_faults(trouble.faults)
        begun_s = stage.room.now_s()
        disturbing = asyncio.create_task(self._disturb(trouble, begun_s), name="evening-trouble")
        try:
            answered = await self._converse(scene)
            self.unanswered += trouble.harmless and not answered
            await disturbing
        finally:
            disturbing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await disturbing
        await self._see_it_rest(begun_s)
        self._set_faults({})

    # --- the user ----------------------------------------------------------------------------------------------------

    async def _converse(self, scene: Scene) -> bool:
        """Say what is to be said; return whether every question was answered that should have been."""
        words = list(scene.words)
        reply = await self._open(scene.opening, words.pop(0))
        if scene.opening is Opening.ALONE:
            return True
        for move in scene.moves:
            if reply is None:
                return False
            reply = await self._go_on(move, words, reply)
        return reply is not None or scene.moves[-1:] in ((Move.STOP,), (Move.STOP_EARLY,))

    async def _open(self, opening: Opening, question: str) -> Mark | None:
        stage = self._stage
        match opening:
            case Opening.BREATH:
                said = stage.say(question)
            case Opening.PAUSE:
                _, word_end_s = stage.say(WORD)
                said = stage.say(question.removeprefix(f"{WORD}, "), at_s=word_end_s + 1.0)
            case Opening.REQUEST:
                await self._tell("wake")
                said = stage.say(question.removeprefix(f"{WORD}, "), at_s=stage.room.now_s() + 0.4)
            case Opening.TWICE:
                _, word_end_s = stage.say(WORD)
                said = stage.say(question, at_s=word_end_s + 0.2)
            case Opening.ALONE:
                _, self._asked_s = stage.say(WORD)
                await stage.until(self._asked_s)
                return None
        return await self._answer(*said)

    async def _go_on(self, move: Move, words: list[str], reply: Mark) -> Mark | None:
        stage = self._stage
        if move is Move.STOP:
            await stage.until(reply["t"] + 0.3)
            await self._tell("stop")
            return None
        if move in (Move.FOLLOW_UP, Move.STOP_EARLY):
            window = await self._wait("state", after_s=reply["t"], timeout_s=15.0, after="follow-up")
            if window is None:
                return None
            said = stage.say(words.pop(0), at_s=max(window["t"], stage.room.now_s()) + 0.15)
        else:
            said = stage.say(words.pop(0), at_s=max(reply["t"] + 0.4, stage.room.now_s() + 0.1))
        if move is Move.STOP_EARLY:
            await stage.until(said[1])
            await self._tell("stop")
            return None
        return await self._answer(*said)

    async def _answer(self, begun_s: float, said_s: float) -> Mark | None:
        """Wait for the reply to become audible; None: there is none, or the conversation is over."""
        self._asked_s = said_s
        await self._stage.until(said_s)
        reply = await self._wait("audible", after_s=said_s, timeout_s=self._patience_s)
        await self._tell("status")
        return reply if reply is not None and reply["t"] > begun_s else None

    async def _wait(self, name: str, *, after_s: float, timeout_s: float, **fields: object) -> Mark | None:
        try:
            return await self._stage.wait_for(name, after_s=after_s, timeout_s=timeout_s, **fields)
        except StageError as error:
            if error.code == "stage-missed":
                return None
            raise

    async def _tell(self, command: str) -> str:
        """Send a command, note how long the answer took, and return the status line in it."""
        begun_s = self._stage.room.now_s()
        answer = await self._stage.tell(command)
        self.slowest_status_ms = max(self.slowest_status_ms, round(1000 * (self._stage.room.now_s() - begun_s), 1))
        return str(answer["line"])

    async def _see_it_rest(self, begun_s: float) -> None:
        """Wait until the status line says that it listens for the wake word."""
        room = self._stage.room
        while not (line := await self._tell("status")).startswith("listening for"):
            if room.now_s() > max(self._asked_s, begun_s) + REST_WITHIN_S:
                raise StageError("evening-wedged", f"not at rest within {REST_WITHIN_S:.0f} s: {line}")
            await asyncio.sleep(_POLL_S)
        self.slowest_rest_s = max(self.slowest_rest_s, room.now_s() - max(self._asked_s, begun_s))

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    async def _disturb(self, trouble: Trouble, begun_s: float) -> None:
        """Let happen what happens at its moment. Ends: with everything mended, also when cancelled."""
        if trouble.over_after_s is not None:
            await self._stage.until(begun_s + trouble.over_after_s)
            self._set_faults({})
        if trouble.card is not None:
            device, face = trouble.card
            await self._stage.until(begun_s + trouble.at_s)
            try:
                self._stage.room.set_fault(_DIRECTIONS[device], face)
                await asyncio.sleep(trouble.card_for_s)
            finally:
                self._stage.room.clear_faults()
        if trouble.kills:
            await self._stage.until(begun_s + trouble.at_s)
            await self._stage.service.stop(signal.SIGKILL)
            await self._start_service()

    def _set_faults(self, faults: Mapping[str, Any]) -> None:
        """Write the file that the service looks at for every connection: whole, or not at all."""
        fresh = self._faults.with_suffix(".new")
        fresh.write_text(json.dumps({"session_life_s": SESSION_LIFE_S, **faults}), encoding="utf-8")
        fresh.replace(self._faults)

    async def _start_service(self) -> None:
        service = self._stage.service
        said_before = len(service.output())
        command = [sys.executable, "-m", "speakerd", "emulate", "--tier", "scripted", "--port", str(self._port)]
        environment = {**clean_environment(), SCRIPT_VARIABLE: json.dumps(REPLIES)}
        await service.start([*command, "--faults", str(self._faults)], env=environment, cwd=self._stage.directory)
        async with asyncio.timeout(READY_S):
            while (announced := parse_announcement(service.output()[said_before:])) is None:
                service.require_alive()
                await asyncio.sleep(_POLL_S)
        self._stage.url, self._stage.tier = announced.url, announced.tier
        self._port = int(announced.url.rsplit(":", 1)[1].partition("/")[0])


def turns_begun(marks: Sequence[Mark]) -> int:
    """Count in the diary how many turns have begun, from the changes of state alone.

    Each time the user gets the word is one, but for a user who only goes on before the answer, and for a question that
    is asked again on another link; and each answer that nobody had asked for.
    """
    states = [mark for mark in marks if mark["name"] == "state"]
    given = [mark for mark in states if mark["after"] == "listening" and (mark["before"], mark["on"]) not in _SAME_TURN]
    unasked = [
        mark for mark in states if mark["before"] in ("idle", "follow-up") and mark["after"] in ("thinking", "speaking")
    ]
    return len(given) + len(unasked)


def threads_and_files(pid: int) -> tuple[int, int]:
    """Return how many threads a process has, and how many open file descriptors."""
    process = Path(f"/proc/{pid}")
    return len(list(process.joinpath("task").iterdir())), len(list(process.joinpath("fd").iterdir()))

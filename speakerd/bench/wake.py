"""``speakerd bench wake``: what listening for the wake word costs, beside openWakeWord as it comes and two others.

Each engine runs in a process of its own and hears the same audio; they take turns, so that a machine that is busy for
a while is busy for all of them. Counted is the CPU time of the process, all its threads included, never the time that
passed. The peers come from the package registry on demand.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speakerd.bench import peers_install, wake_sound
from speakerd.bench.figures import format_table, holds, machine
from speakerd.bench.peers_install import Peer, PeerError
from speakerd.bench.wake_run import (
    AWAKE,
    OUR_OPTIONS,
    OURS,
    PACKAGE,
    PEERS,
    STOCK,
    Engine,
    EngineError,
    our_command,
    running,
    their_command,
)
from speakerd.bench.wake_sound import ROOMS, SPEECH, Voice
from speakerd.bench.wake_table import (
    CHUNK_S,
    MIXED,
    PACED,
    THRESHOLD,
    Agreement,
    Costs,
    agreement,
    figures,
    format_engines,
)
from speakerd.core.errors import SpeakerdError
from speakerd.demo.mouth import Mouth, find_mouth
from speakerd.demo.process import StageError
from speakerd.demo.props import cache_dir
from speakerd.wake import models
from speakerd.wake.shapes import NOISE_SEED

Say = Callable[[str], None]

WORD = "hey_jarvis"
"""The wake word that every one of them has a model of."""

_OUR_COPY = (
    "run from our own environment, without scikit-learn, as it could not be installed: memory and start are too kind"
)
"""What is said of stock then; what it computes is the same."""

_PIECE_S = 60.0
"""Mixed audio is made, heard and compared a minute at a time: an hour would be 115 MB (chosen)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each engine is looked at."""

    starts: int = 3
    """How often each is started."""

    lead_s: float = 12.0
    """What each hears of a room before it is measured there: the gate knows steady noise after ten seconds."""

    span_s: float = 30.0
    """How much of it is measured in each round."""

    paced_s: float = 20.0
    """How much speech comes at its own pace."""


def measure(
    out: Path,
    rounds: int,
    say: Say,
    *,
    minutes: float = 3.0,
    peers: Mapping[str, Peer] = PEERS,
    plan: Plan | None = None,
    mouth: Callable[[], Mouth] = find_mouth,
) -> bool:
    """Measure the engines side by side.

    Args:
        out: Where ``wake.json`` and the logs are written; made if missing.
        rounds: How often each hears each room.
        say: Told what happens.
        minutes: How much mixed audio the scores are compared on.
        peers: Which are wanted besides ours, by the table's names; stock must be among them.
        plan: How long each is looked at; None: long enough to be trusted.
        mouth: Finds somebody who speaks.

    Returns:
        Whether no target was missed and none of ours broke. A peer that cannot be had is no failure.
    """
    before = machine()
    voice = _voice(mouth, say)
    with tempfile.TemporaryDirectory(prefix="speakerd-wake-") as scratch:
        try:
            run = _Run(out, Path(scratch), say, voice, plan or Plan())
            run.prepare(peers)
            run.starts()
            run.rooms(rounds, minutes)
        except SpeakerdError as error:
            say(f"the bench broke off: {error}")
            return False
    rows = figures(run.engines, run.to_stock, run.gate, stock_is_whole=run.stock_is_whole)
    data = {
        **before,
        "rounds": rounds,
        "minutes_mixed": minutes,
        "voice": None if voice is None else voice.name,
        "rooms": dict(wake_sound.ABOUT),
        "figures": [row.shown() for row in rows],
        "engines": {name: costs.plain() for name, costs in run.engines.items()},
        "gate_off_and_stock": None if run.to_stock is None else run.to_stock.plain(),
        "gate_on_and_off": None if run.gate is None else run.gate.plain(),
        "about": run.about,
    }
    (out / "wake.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    for line in ("", format_engines(run.engines), "", *run.footnotes(), "", format_table(rows)):
        say(line)
    say(f"written to {out / 'wake.json'}")
    return holds(rows) and not any(run.engines[name].missing for name in OUR_OPTIONS)


def _voice(find: Callable[[], Mouth], say: Say) -> Voice | None:
    """Return somebody who speaks; None: there is nobody, and it was said."""
    try:
        return wake_sound.voice_of(find())
    except StageError as nobody:
        say(f"without speech: {nobody}")
        return None


class _Run:
    """One run of the bench: the engines that can be had, and what they hear."""

    def __init__(self, out: Path, scratch: Path, say: Say, voice: Voice | None, plan: Plan) -> None:
        self._logs = out / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._scratch, self._say, self._plan = scratch, say, plan
        self.engines = {name: Costs() for name in OUR_OPTIONS}
        self.about = {
            OURS: "the daemon's own path: ring, gate, trigger and the engine it chooses, the lean one",
            AWAKE: "the same with wake.gate: false",
            PACKAGE: "the same with wake.gate: false and wake.engine: openwakeword",
        }
        self.stock_is_whole = True
        self.to_stock: Agreement | None = None
        self.gate: Agreement | None = None
        self._voice = voice
        self._commands: dict[str, list[str]] = {}

    # --- what there is -----------------------------------------------------------------------------------------------

    def prepare(self, peers: Mapping[str, Peer]) -> None:
        """Find out what starts each engine, and install what is not there yet; of one that cannot be had, note why."""
        first = self._scratch / "first.npy"
        np.save(first, wake_sound.word_in_quiet(0, self._voice))
        options: dict[str, Any] = {
            "first": str(first),
            "word": WORD,
            "model": str(models.resolve(WORD)),
            "features": [str(path) for path in models.features()],
            "threshold": THRESHOLD,
            "seed": NOISE_SEED,
            "without_training": False,
        }
        commands = self._commands
        commands.update({name: our_command({**options, **more}) for name, more in OUR_OPTIONS.items()})
        for name, peer in peers.items():
            self.engines[name] = Costs()
            self.about[name] = peer.about
            try:
                python = peers_install.prepare(
                    peer, cache_dir(), self._say, environment=peers_install.settings_of_pip()
                )
            except PeerError as error:
                self._say(f"without {peer.package}: {error}")
                if name != STOCK:
                    self.engines[name].missing = str(error)
                    continue
                self.about[name] = f"{peer.about}; {_OUR_COPY}"
                self.stock_is_whole = False
                commands[name] = their_command(peer, Path(sys.executable), {**options, "without_training": True})
                continue
            commands[name] = their_command(peer, python, options)

    def footnotes(self) -> list[str]:
        """Return what must be known to read the table."""
        lines = [f"{name}: {about}." for name, about in self.about.items()]
        lines += [f"{name} is not measured: {each.missing}" for name, each in self.engines.items() if each.missing]
        lines += [f"{room}: {about}." for room, about in wake_sound.ABOUT.items()]
        return [*lines, f"the voice: {self._voice.name if self._voice else 'none'}; nothing was recorded of people."]

    # --- what is measured --------------------------------------------------------------------------------------------

    def starts(self) -> None:
        """Start each engine some times, in turns, and look how soon it detects the word that waits for it."""
        for number in range(self._plan.starts):
            for name in self._turn(number, self._commands):
                try:
                    with self._running(name) as engine:
                        self.engines[name].starts.append(engine.start)
                except EngineError as error:
                    self._give_up(name, error)
        self._say(f"starts: {self._plan.starts} of each measured")

    def rooms(self, rounds: int, minutes: float) -> None:
        """Let all of them hear everything, one after the other."""
        with ExitStack() as stack:
            engines: dict[str, Engine] = {}
            for name in list(self._commands):
                try:
                    engines[name] = stack.enter_context(self._running(name))
                except EngineError as error:
                    self._give_up(name, error)
            for number in range(rounds):
                for room in ROOMS if self._voice is not None else ROOMS[:-1]:
                    self._hear(engines, room, number)
                self._say(f"rooms: round {number + 1} of {rounds} measured")
            if self._voice is not None:
                self._hear_paced(engines)
            self._compare(engines, minutes)
            for name, engine in engines.items():
                self.engines[name].memory = engine.memory()

    def _hear(self, engines: dict[str, Engine], room: str, number: int) -> None:
        plan = self._plan
        audio = self._save(wake_sound.room(room, plan.lead_s + plan.span_s, number, self._voice))
        lead = round(plan.lead_s / CHUNK_S)
        audio_s = (len(np.load(audio, mmap_mode="r")) - lead) * CHUNK_S
        for name in self._turn(number, engines):
            told = self._ask(engines, name, audio, lead=lead)
            if told is not None:
                self.engines[name].note(room, told["cpu_s"], audio_s)
                if told["top"] >= THRESHOLD:
                    self._say(f"{room}: {name} took something for the word, score {told['top']:.2f}")

    def _hear_paced(self, engines: dict[str, Engine]) -> None:
        audio = self._save(wake_sound.room(SPEECH, self._plan.paced_s, 0, self._voice))
        audio_s = len(np.load(audio, mmap_mode="r")) * CHUNK_S
        self._say(f"{PACED}: {audio_s * len(engines):.0f} s to go")
        for name in list(engines):
            told = self._ask(engines, name, audio, pace_s=CHUNK_S)
            if told is not None:
                self.engines[name].note(PACED, told["cpu_s"], audio_s)

    def _compare(self, engines: dict[str, Engine], minutes: float) -> None:
        """Compare scores on mixed audio, a piece at a time; the triggers judge all of it at once."""
        heard: dict[str, list[np.ndarray[Any, np.dtype[np.float64]]]] = {name: [] for name in (OURS, AWAKE, STOCK)}
        pieces = max(1, round(minutes * 60 / _PIECE_S))
        for number in range(pieces):
            length_s = min(_PIECE_S, minutes * 60)
            audio = self._save(wake_sound.mixed(length_s, number, self._voice))
            audio_s = len(np.load(audio, mmap_mode="r")) * CHUNK_S
            for name in self._turn(number, [name for name in engines if name in heard or name == PACKAGE]):
                scores = self._scratch / "scores.npy"
                told = self._ask(engines, name, audio, scores=scores)
                if told is not None:
                    self.engines[name].note(MIXED, told["cpu_s"], audio_s)
                    if name in heard:
                        heard[name].append(np.load(scores))
            self._say(f"{MIXED}: minute {number + 1} of {pieces} compared")
        whole = {name: np.concatenate(parts) for name, parts in heard.items() if len(parts) == pieces}
        if AWAKE in whole and STOCK in whole:
            self.to_stock = agreement(whole[AWAKE], whole[STOCK])
        if OURS in whole and AWAKE in whole:
            self.gate = agreement(whole[OURS], whole[AWAKE], asleep_is_zero=True)

    # --- how they are asked ------------------------------------------------------------------------------------------

    def _running(self, name: str) -> Any:
        return running(name, self._commands[name], self._logs / f"wake-{name.replace(' ', '-')}.log")

    def _ask(self, engines: dict[str, Engine], name: str, audio: Path, **how: Any) -> dict[str, Any] | None:
        """Have an engine listen; None: it broke, and is asked no more."""
        try:
            return engines[name].listen(audio, **how)
        except EngineError as error:
            del engines[name]
            self._give_up(name, error)
            return None

    def _give_up(self, name: str, error: EngineError) -> None:
        self._say(f"without {name} from here on: {error}")
        self.engines[name].missing = str(error)
        self._commands.pop(name, None)

    def _save(self, chunks: wake_sound.Chunks) -> Path:
        """Write what is heard next over what was heard last."""
        path = self._scratch / "heard.npy"
        np.save(path, chunks)
        return path

    @staticmethod
    def _turn(number: int, names: Mapping[str, object] | Sequence[str]) -> list[str]:
        """Return the names, each time with another one first."""
        order = list(names)
        at = number % len(order) if order else 0
        return order[at:] + order[:at]

"""A stage for whole conversations: the virtual card, a room, the embedded service and the daemon, each as it really is.

The demo, the bench and the end-to-end tests play on it. What is played is ``script.py``'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from speakerd.demo import simcard
from speakerd.demo.diary import Diary, Mark
from speakerd.demo.mouth import SPEECH_RATE_HZ, Mouth, find_mouth
from speakerd.demo.process import Child, StageError, last_lines
from speakerd.demo.props import HEADPHONES, LIVING_ROOM, cache_dir, clean_environment, merged
from speakerd.demo.room import Room
from speakerd.embedded.faults import FAULTS_VARIABLE
from speakerd.embedded.spawn import parse_announcement
from speakerd.embedded.tiers import SCRIPT_VARIABLE
from speakerd.host import client

READY_PARTS = frozenset({"microphone", "loudspeaker", "wake word"})
"""The parts that the daemon reports ready in its diary."""

_POLL_S = 0.02
"""How often the diary is read (guess: a period of audio)."""

_START_TIMEOUT_S = 60.0
"""How long a process may take to be ready; 4 to 5 s on two busy cores (measured), a Pi is slower."""


class Stage:
    """A room with the daemon in it. Async context manager; everything ends with it, also by cancellation.

    Args:
        directory: Where configuration, diary and logs are written; made if missing, kept afterwards.
        config: What differs from the stage's own configuration, as nested keys.
        card: The sound card and how its microphone hears the room; None: ``LIVING_ROOM``, or ``HEADPHONES`` where the
            service only hums.
        playback_card: Another card for the loudspeaker; None: the same.
        tier: Of the embedded service: ``auto``, ``scripted`` or ``neural``.
        faults: What goes wrong at the service (``speakerd.embedded.faults.Faults``).
        replies: What the service says, line after line; None: what its brain finds.
        paced: Let the service send audio in real time.
        room_s: How long the room lasts.
        start_service: Start the service with the stage; else by ``start_service``.
        start_daemon: Start the daemon with the stage and wait until it is ready; else by ``start_daemon``.
        environment: What differs in the daemon's environment.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: Mapping[str, Any] | None = None,
        card: simcard.CardProfile | None = None,
        playback_card: simcard.CardProfile | None = None,
        tier: str = "auto",
        faults: Mapping[str, Any] | None = None,
        replies: Sequence[str] | None = None,
        paced: bool = False,
        room_s: float = 600.0,
        start_service: bool = True,
        start_daemon: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self._config = dict(config or {})
        self._cards = (card, playback_card)
        self._service_options: dict[str, Any] = {"tier": tier, "faults": faults, "replies": replies, "paced": paced}
        self._room_s = room_s
        self._starts = (start_service, start_daemon)
        self._environment = dict(environment or {})
        self._mouth: Mouth | None = None
        self._exits = AsyncExitStack()
        self._port = 0
        self.url: str | None = None
        """Where the embedded service listens; kept when it is restarted."""
        self.tier: str | None = None
        """Which tier the embedded service has: ``scripted`` or ``neural``."""
        self.speech_rate_hz = SPEECH_RATE_HZ
        """The rate of what ``prepare`` returns."""
        self.room: Room
        """The room, from ``__aenter__`` on."""
        self._diary = Diary(self.directory / "trace.jsonl")
        self.config_path = self.directory / "speakerd.yaml"
        """The daemon's configuration."""
        self.daemon = Child("daemon", self.directory / "daemon.log")
        """The daemon's process."""
        self.service = Child("embedded service", self.directory / "service.log")
        """The service's process."""

    async def __aenter__(self) -> Self:
        try:
            self._furnish()
            start_service, start_daemon = self._starts
            if start_service:
                await self.start_service()
            if start_daemon:
                await self.start_daemon()
        except BaseException:
            await self._exits.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()

    # --- the two processes -------------------------------------------------------------------------------------------

    async def start_service(self, **options: Any) -> str:
        """Start the embedded service at the port it had before, and return its URL.

        Args:
            options: What differs from the stage's ``tier``, ``faults``, ``replies`` and ``paced``.

        Raises:
            StageError: it ends, or is not ready in time.
        """
        chosen = {**self._service_options, **options}
        environment = clean_environment()
        if chosen["faults"]:
            environment[FAULTS_VARIABLE] = json.dumps(chosen["faults"])
        if chosen["replies"]:
            environment[SCRIPT_VARIABLE] = json.dumps(list(chosen["replies"]))
        command = [sys.executable, "-m", "speakerd", "emulate", "--port", str(self._port), "--tier", chosen["tier"]]
        said_before = len(self.service.output())
        await self.service.start(command + ["--paced"] * chosen["paced"], env=environment, cwd=self.directory)
        async with self._patience("the embedded service to listen", _START_TIMEOUT_S):
            while (announced := parse_announcement(self.service.output()[said_before:])) is None:
                self.service.require_alive()
                await asyncio.sleep(_POLL_S)
        self.url, self.tier, self._port = announced.url, announced.tier, urlsplit(announced.url).port or 0
        return self.url

    async def stop_service(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """End the embedded service and return its exit code."""
        return await self.service.stop(number)

    async def start_daemon(self, *, until_ready: bool = True, config: Mapping[str, Any] | None = None) -> None:
        """Write the configuration and start the daemon on it.

        Args:
            until_ready: Return when microphone, loudspeaker and wake word are ready.
            config: What differs from the stage's configuration this time, as nested keys.

        Raises:
            StageError: it ends, or is not ready in time.
        """
        self._write_config(config or {})
        self._diary.begin()
        begun_s = self.room.now_s()
        environment = {
            **clean_environment(),
            "ALSA_CONFIG_PATH": str(self._connect_card()),
            "SPEAKERD_TRACE": str(self._diary.path),
            "SPEAKERD_SOCKET": str(self.socket_path),
            "STATE_DIRECTORY": str(self.directory / "state"),
            **self._environment,
        }
        await self.daemon.start(
            [sys.executable, "-m", "speakerd", "run", "-c", str(self.config_path), "--log-level", "debug"],
            env=environment,
            cwd=self.directory,
        )
        if until_ready:
            for part in sorted(READY_PARTS):
                await self.wait_for("ready", after_s=begun_s, timeout_s=_START_TIMEOUT_S, part=part)

    async def stop_daemon(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """End the daemon by a signal and return its exit code."""
        return await self.daemon.stop(number)

    # --- the play ----------------------------------------------------------------------------------------------------

    def prepare(self, text: str) -> NDArray[np.int16]:
        """Return a sentence in the user's voice, at ``SPEECH_RATE_HZ``, without silence around it; slow at first.

        Raises:
            StageError: this machine has no voice.
        """
        if self._mouth is None:
            self._mouth = find_mouth()
        return self._mouth.speak(text)

    def say(
        self, words: str | NDArray[np.int16], *, at_s: float | None = None, rate_hz: int = SPEECH_RATE_HZ
    ) -> tuple[float, float]:
        """Say something in the room, at once or at a moment, and return when it begins and ends, without waiting.

        Args:
            words: A sentence, or mono samples.
            at_s: When; None: now.
            rate_hz: Of the samples.
        """
        if isinstance(words, str):
            words, rate_hz = self.prepare(words), SPEECH_RATE_HZ
        return self.room.say(words, rate_hz, at_s)

    async def until(self, moment_s: float) -> None:
        """Wait for a moment in the room."""
        await asyncio.sleep(max(0.0, moment_s - self.room.now_s()))

    def marks(self, name: str | None = None, *, after_s: float = 0.0) -> list[Mark]:
        """Return the diary of every daemon on this stage, oldest first: all of it, or one name after a moment."""
        return self._diary.marks(name, after_s)

    async def wait_for(self, name: str, *, after_s: float = 0.0, timeout_s: float = 10.0, **fields: object) -> Mark:
        """Return the first mark of a name after a moment whose fields are these; wait for it.

        Raises:
            StageError: the daemon ended (code ``stage-ended``), or the moment never came (``stage-missed``).
        """
        wanted = " ".join([name, *(f"{key}={value}" for key, value in fields.items())])
        async with self._patience(wanted, timeout_s):
            while True:
                alive = self.daemon.exit_code is None
                for mark in self.marks(name, after_s=after_s):
                    if all(mark.get(key) == value for key, value in fields.items()):
                        return mark
                if not alive:
                    self.daemon.require_alive()
                await asyncio.sleep(_POLL_S)

    async def status(self) -> dict[str, Any]:
        """Return what the daemon says about itself."""
        return await self.tell("status")

    async def tell(self, command: str) -> dict[str, Any]:
        """Send one command to the control socket and return the answer.

        Raises:
            SpeakerdError: nobody listens there.
        """
        return await asyncio.to_thread(client.request, self.socket_path, command)

    def log(self) -> str:
        """Return what the daemon has logged."""
        return self.daemon.output()

    # --- the furniture -----------------------------------------------------------------------------------------------

    def _furnish(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        for old in (self._diary.path, self.daemon.log, self.service.log):
            old.unlink(missing_ok=True)
        # A socket's path may have 107 bytes; a test's directory may have more.
        scratch = Path(tempfile.mkdtemp(prefix="speakerd-stage-"))
        self._exits.callback(shutil.rmtree, scratch, ignore_errors=True)
        self.socket_path = scratch / "control.sock"
        self._plugin = simcard.build(cache_dir())
        self.room = Room.create(scratch / "room", self._room_s)
        self._exits.callback(self.room.close)
        # Last in, first out: no process outlives the room.
        self._exits.push_async_callback(self.service.stop)
        self._exits.push_async_callback(self.daemon.stop)

    @property
    def card(self) -> simcard.CardProfile:
        """The sound card, and how its microphone hears the room."""
        return self._cards[0] or (HEADPHONES if self.tier == "scripted" else LIVING_ROOM)

    def _connect_card(self) -> Path:
        playback_card = self._cards[1] or replace(self.card, noise_dbfs=None)
        return simcard.write_asound_conf(
            self.directory, self.room.path, self._plugin, card=self.card, playback_card=playback_card
        )

    def _write_config(self, differs: Mapping[str, Any]) -> None:
        config: dict[str, Any] = {
            "service": {"provider": "embedded", "endpoint": self.url or "ws://127.0.0.1:9"},
            "auth": {"method": "none"},
            "audio": {"echo_cancellation": "off" if self.card.echo_gain_db is None else "on"},
            "conversation": {"barge_in": "speech"},
        }
        # JSON is YAML, too.
        text = json.dumps(merged(merged(config, self._config), differs), indent=2, ensure_ascii=False)
        self.config_path.write_text(text + "\n", encoding="utf-8")

    @contextlib.asynccontextmanager
    async def _patience(self, what: str, timeout_s: float) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError:
            raise StageError(
                "stage-missed",
                f"waited {timeout_s:g} s in vain for: {what}\nthe daemon's last lines:\n{last_lines(self.log())}",
            ) from None

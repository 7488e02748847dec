"""A speaker that signs in with Entra, as stories need it: stage, authority and a service that wants to see a token.

Everything that a story leaves behind is searched for secrets when it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakerd.audio.notices import FOLDER, read_sentence
from speakerd.auth.process import DeviceCode, Wish, Worker
from speakerd.core.notices import Notice
from speakerd.core.units import WIRE_RATE_HZ
from speakerd.demo.props import merged
from speakerd.demo.room import ROOM_RATE_HZ, resample
from speakerd.demo.stage import Stage
from speakerd.host import client
from tests.fakes.entra import Entra
from tests.fakes.entra_directory import SCOPE
from tests.fakes.room_tools import find
from tests.fakes.token_gate import TokenGate

WITHIN_S = 1.0
"""From the detection of the wake word to the sentence (required)."""

WAITING = 'listening for "hey jarvis"'
SIGNED_OUT = "signed out: run speakerd login"

DEAF_S = 2.0
"""After a detection no other is made (``wake.refractory_s``)."""

_SURE_S = 1.0
"""So much of a sentence tells which one it is: no two begin alike."""

_LOUD = 64
"""The smallest sample that is heard, as in ``Room.audible_spans``."""

_LOOK_EVERY_S = 0.02
"""How often the processes are looked at; a worker lives for half a second and more."""

_PATIENCE_S = 30.0

_REPLY_S = 40.0
"""No reply is longer."""

Samples = NDArray[np.int16]


class House:
    """One speaker and those it talks to.

    Args:
        stage: Where the daemon runs.
        entra: Whom it signs in with.
        gate: Who lets it in to the service.
        voice: Somebody who speaks.
        run: Where workers make their private homes.
    """

    def __init__(self, stage: Stage, entra: Entra, gate: TokenGate, voice: Callable[[str], Samples], run: Path) -> None:
        self.stage, self.entra, self.gate, self.run = stage, entra, gate, run
        self.secrets: list[str] = []
        """What may not be found anywhere either, beside what the authority has given away."""
        self.said: list[str] = []
        """What the control socket has answered."""
        self.service_url = stage.url
        """Where the service is, behind the gate."""
        self.seen = Watch()
        """What the processes have shown of themselves."""
        self._voice = voice
        self._woken_s = 0.0

    @property
    def state(self) -> Path:
        """The daemon's state folder."""
        return self.stage.directory / "state"

    def worker(self) -> Worker:
        """Return who signs in beside the daemon, as ``speakerd login`` does where none runs."""
        directory = self.entra.directory
        wish = Wish("device_code", directory.tenant, directory.client, SCOPE, None, self.state)
        environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(self.run), **self.entra.environment}
        return Worker(wish, environment, timeout_s=_PATIENCE_S)

    async def sign_in(self) -> None:
        """Sign somebody in without the daemon."""

        def enter(code: DeviceCode) -> None:
            self.secrets.append(code.user_code)
            assert self.entra.directory.approve(code.user_code)

        await self.worker().login(enter)

    def forget_access_tokens(self) -> None:
        """Leave only the refresh token of what is kept, as when the daemon was off for an hour."""
        file = self.state / "sign-in" / "account.json"
        kept = json.loads(file.read_text())
        for name, text in kept["cache"].items():
            kept["cache"][name] = json.dumps(json.loads(text) | {"AccessToken": {}})
        file.write_text(json.dumps(kept))

    async def sign_in_there(self, *, aloud: bool = False) -> None:
        """Sign somebody in through the daemon; the code is said aloud, or not: that takes twenty seconds."""
        if not aloud:
            await self.ask("mute")
        code = await self.ask("login")
        assert self.entra.directory.approve(code["user_code"])
        assert (await self.ask("login-wait"))["state"] == "signed_in"
        if not aloud:
            await self.ask("unmute")

    async def ask(self, command: str) -> dict[str, Any]:
        """Ask the daemon for something."""
        request = client.request
        answer = await asyncio.to_thread(request, self.stage.socket_path, command, timeout_s=_PATIENCE_S)
        if "user_code" in answer:  # for the person's eyes, and for nobody else's
            self.secrets.append(answer["user_code"])
        else:
            self.said.append(json.dumps(answer))
        return answer

    async def status(self) -> dict[str, Any]:
        """Return what the daemon says about its sign-in."""
        sign_in: dict[str, Any] = (await self.ask("status"))["sign_in"]
        return sign_in

    async def until(self, timeout_s: float = _PATIENCE_S, **wanted: object) -> dict[str, Any]:
        """Wait until the status says this of the sign-in, and return all it says."""
        end_s = self.stage.room.now_s() + timeout_s
        while True:
            told = await self.status()
            if all(told.get(name) == value for name, value in wanted.items()):
                return told
            assert self.stage.room.now_s() < end_s, f"the status still says {told}, not {wanted}"
            await asyncio.sleep(0.02)

    # --- what the person in the room does and hears ---

    async def wake(self, words: str = "Hey Jarvis") -> float:
        """Say the wake word, or something behind it, and return when it was detected."""
        await self.stage.until(self._woken_s + DEAF_S)
        begun_s, _ = self.stage.say(self._voice(words))
        self._woken_s = float((await self.stage.wait_for("wake", after_s=begun_s))["t"])
        return self._woken_s

    async def hears(self, notice: Notice, after_s: float) -> float:
        """Return how long after a moment a sentence begins to be heard in the room; it must be the next one."""
        said = await self.stage.wait_for("notice", after_s=after_s)
        assert said["notice"] == notice.value
        begin_s = said["t"]
        sentence = resample(read_sentence(FOLDER / "en" / f"{notice.value}.wav"), WIRE_RATE_HZ, ROOM_RATE_HZ)
        silent = int(np.argmax(np.abs(sentence.astype(np.int32)) >= _LOUD))
        beginning = sentence[: silent + round(_SURE_S * ROOM_RATE_HZ)]
        end_s = begin_s + len(beginning) / ROOM_RATE_HZ + 0.4
        await self.stage.until(end_s)
        at, likeness = find(beginning, self.stage.room.heard(begin_s, end_s))
        assert likeness > 0.9, f"{notice.value} was not heard: {likeness:.2f}"
        return float(begin_s + (at + silent) / ROOM_RATE_HZ - after_s)

    async def is_told(self, notice: Notice, where: str, asked_s: float | None = None) -> None:
        """Hear a sentence in time.

        Args:
            notice: Which.
            where: What is the matter.
            asked_s: When the wake word was detected; None: it is said now.
        """
        span_s = await self.hears(notice, await self.wake() if asked_s is None else asked_s)
        show(f"{where}: wake word to sentence {1000 * span_s:.0f} ms ({notice.value})")
        assert span_s < WITHIN_S

    async def is_let_in(self, where: str) -> float:
        """Say the wake word, get a session, end it, and return how long it took to come up, in seconds."""
        woken_s = await self.wake()
        up = await self.stage.wait_for("link.up", after_s=woken_s)
        await self.ask("stop")
        await self.stage.wait_for("state", after="idle", after_s=woken_s)
        show(f"{where}: wake word to session {1000 * (up['t'] - woken_s):.0f} ms")
        return float(up["t"] - woken_s)

    async def converses(self, words: str = "Hey Jarvis, what time is it?") -> tuple[float, float]:
        """Hold a conversation of one question; return when it began and ended."""
        woken_s = await self.wake(words)
        await self.stage.wait_for("state", before="speaking", after="follow-up", after_s=woken_s, timeout_s=_REPLY_S)
        await self.ask("stop")
        idle = await self.stage.wait_for("state", after="idle", after_s=woken_s)
        return woken_s, float(idle["t"])

    # --- what is left behind ---

    def check_leaks(self) -> None:
        """See that no secret lies about, and that what is kept is kept from others."""
        needles = self.needles()
        for where, text in self._produced():
            for needle in needles:
                assert needle not in text, f"a secret ({needle[:6]}…) is in {where}"
        sign_in = self.state / "sign-in"
        if sign_in.exists():
            assert mode_of(sign_in) == 0o700
            assert {mode_of(path) for path in sign_in.iterdir()} <= {0o600}
        # A worker that was killed, as by the daemon's end, leaves its folder; the next one removes it.
        assert {mode_of(path) for path in self.run.iterdir()} <= {0o700}

    def needles(self) -> list[str]:
        """Return what may not be found: everything secret, whole and by its last characters."""
        known = [*self.entra.directory.secrets(), *self.secrets]
        return [*known, *(secret[-24:] for secret in known if len(secret) > 48)]

    def _produced(self) -> Iterator[tuple[str, str]]:
        yield "an answer of the control socket", "\n".join(self.said)
        yield "a process's arguments or environment", "\n".join(self.seen.texts)
        for path in self.stage.directory.rglob("*"):
            if path.is_file() and path.parent != self.state / "sign-in":
                yield str(path), path.read_bytes().decode("latin-1")


class Watch:
    """Looks at the daemon and its children: what everybody on the machine may see of them."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    @property
    def workers(self) -> int:
        """How many different arguments and environments of workers were seen."""
        return sum("speakerd.auth.worker" in text for text in self.texts)

    async def run(self, stage: Stage) -> None:
        """Look again and again. Ends: by cancellation."""
        while True:
            if stage.daemon.pid is not None:
                self._look(stage.daemon.pid)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _look(self, pid: int) -> None:
        process = Path("/proc") / str(pid)
        try:
            shown = [(process / name).read_bytes() for name in ("cmdline", "environ")]
            self.texts.add(b"\0".join(shown).decode("latin-1"))
            threads = [path.read_text().split() for path in process.glob("task/*/children")]
        except OSError:
            return  # it has ended, or shows nothing
        for child in [int(one) for thread in threads for one in thread]:
            self._look(child)


@contextlib.asynccontextmanager
async def house(
    play: Callable[..., Stage],
    voice: Callable[[str], Samples],
    folder: Path,
    *,
    auth: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    hour: int = 12,
    signed_in: bool = True,
    start_daemon: bool = True,
    config: Mapping[str, Any] | None = None,
    replies: Iterable[str] = ("One, two.",),
) -> AsyncIterator[House]:
    """Furnish a house; at its end everything is searched for secrets.

    Args:
        play: Makes stages.
        voice: Somebody who speaks.
        folder: Where the authority keeps its certificates.
        auth: The section of the configuration; None: a person signs in with a code.
        environment: What differs in the daemon's environment.
        hour: Of the daemon's day: at night it says nothing that nobody has asked for.
        signed_in: Whether somebody has signed in before the daemon starts.
        start_daemon: Whether it is started.
        config: What differs in the configuration.
        replies: What the service says.
    """
    with Entra(folder / "authority") as entra:
        directory = entra.directory
        person = {"method": "device_code", "tenant": directory.tenant, "client": directory.client}
        wanted = {"service": {"provider": "azure"}, "auth": dict(auth or person)}
        run = folder / "run"
        run.mkdir(mode=0o700)
        stage = play(
            config=merged(wanted, config or {}),
            environment={
                **entra.environment,
                "TZ": _zone(hour),
                "XDG_RUNTIME_DIR": str(run),
                **(environment or {}),
            },
            replies=list(replies),
            start_daemon=False,
        )
        async with stage, TokenGate(str(stage.url), directory.judge) as gate:
            home = House(stage, entra, gate, voice, run)
            home.service_url, stage.url = stage.url, gate.url
            if signed_in:
                await home.sign_in()
            watching = asyncio.create_task(home.seen.run(stage))
            try:
                if start_daemon:
                    await stage.start_daemon()
                yield home
                await stage.stop_daemon()
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            home.check_leaks()


def show(measured: str) -> None:
    """Print what was measured."""
    print(measured)  # noqa: T201 - pytest keeps it, -s shows it


def mode_of(path: Path) -> int:
    """Return who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def _zone(hour: int) -> str:
    """Return the time zone in which it is this hour now."""
    return f"STAGE{(dt.datetime.now(dt.UTC).hour - hour + 12) % 24 - 12:+d}"

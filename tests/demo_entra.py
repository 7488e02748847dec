"""The life of a sign-in to look at and to listen to, on this machine: ``make demo-entra``.

The daemon, the service and the sign-in library are real; Microsoft's side is ``tests/fakes/entra.py``, the sound card
``hardware/simcard``. Each step says what was to be seen and how long it took; the first that does not work ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakerd.core.errors import SpeakerdError
from speakerd.core.notices import Notice
from speakerd.demo.process import last_lines
from speakerd.demo.props import clean_environment
from speakerd.demo.room import ROOM_RATE_HZ
from speakerd.demo.stage import Stage
from tests.fakes.entra_stories import SIGNED_OUT, WAITING, House, house
from tests.fakes.stories import until_line

LIFE_S = 10.0
"""Of a token: so that its end is lived to see. Entra's live for an hour or so."""

QUESTION = "Hey Jarvis, what time is it?"
STORY = "Hey Jarvis, tell me a long story."

REPLIES = (
    "It is ten to four.",
    (
        "Once upon a time there was a small loudspeaker on a kitchen shelf. It listened all day and said nothing. One "
        "evening somebody called it by its name, and it answered. From then on it was asked everything."
    ),
    "It is four o'clock.",
)
"""What the scripted tier hums."""

_LISTENING_S = 3.0
"""How long somebody listens to the code before entering it."""

_BEYOND_S = 2.0
"""How long it speaks on when its token is over."""

_PATIENCE_S = 60.0
_ROOM_S = 240.0


class Show:
    """Plays the steps in a house and tells what happens.

    Args:
        home: Where.
    """

    def __init__(self, home: House) -> None:
        self._home = home
        self._stage = home.stage
        self._begun_s = home.stage.room.now_s()

    async def play(self) -> None:
        """Play every step.

        Raises:
            AssertionError, SpeakerdError: what was to happen did not.
        """
        await self._signed_out()
        await self._sign_in()
        await self._converse(QUESTION)
        await self._token_ends_while_it_speaks()
        await self._revoked()
        await self._sign_in()
        await self._converse(QUESTION)

    def tell(self, text: str) -> None:
        """Print a line, with the time since the beginning."""
        say(f"{self._stage.room.now_s() - self._begun_s:6.1f} s  {text}")

    async def _signed_out(self) -> None:
        self._step("nobody is signed in")
        await self._home.hears(Notice.SIGNED_OUT, 0.0)
        self.tell("the speaker says unasked: I'm signed out. Please run speakerd login.")
        await self._line(SIGNED_OUT)
        await self._asks_in_vain()

    async def _sign_in(self) -> None:
        self._step("speakerd login")
        begun_s = time.monotonic()
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "speakerd", "login"),
            env={**clean_environment(), "SPEAKERD_SOCKET": str(self._stage.socket_path)},
            cwd=self._stage.directory,
        )  # what it shows is shown
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._stage.wait_for("notice", notice="sign-in-code", after_s=begun_s, timeout_s=_PATIENCE_S)
                code_s = time.monotonic() - begun_s
                await asyncio.sleep(_LISTENING_S)
                directory = self._home.entra.directory
                user_code = directory.open_codes()[-1].user_code
                self._home.secrets.append(user_code)
                assert directory.approve(user_code)
                say("\n")
                self.tell(f"the code was there after {code_s:.1f} s and is being said aloud")
                self.tell("somebody has opened the page on a telephone and entered it")
                code = await command.wait()
        finally:
            if command.returncode is None:
                command.kill()
                await command.wait()
        assert code == 0, f"speakerd login ended with {code}"
        told = await self._home.until(state="ok")
        self.tell(f"signed in as {told['account']}, {time.monotonic() - begun_s:.1f} s after the command")
        await self._line(WAITING)

    async def _converse(self, words: str) -> None:
        """Ask something and hear the answer."""
        self._step(f'"{words}"')
        woken_s, _ = await self._home.converses(words)
        marks = {name: self._stage.marks(name, after_s=woken_s)[0]["t"] - woken_s for name in ("link.open", "audible")}
        answers = [mark["text"] for mark in self._stage.marks("transcript", after_s=woken_s) if mark["role"] != "user"]
        self.tell(f"wake word to session {1000 * marks['link.open']:.0f} ms, to the answer {marks['audible']:.1f} s")
        self.tell(f"speaker: {answers[-1]}")

    async def _token_ends_while_it_speaks(self) -> None:
        self._step(f'"{STORY}"')
        woken_s = await self._home.wake(STORY)
        await self._stage.wait_for("link.open", after_s=woken_s)
        before, xruns, refusals = await self._home.status(), self._xruns(), self._home.gate.count(401)
        token_ends_s = self._stage.room.now_s() + before["token_valid_for_s"]
        await self._stage.wait_for("audible", after_s=woken_s, timeout_s=_PATIENCE_S)
        await self._stage.until(token_ends_s + _BEYOND_S)
        assert (await self._home.ask("status"))["phase"] == "speaking", "the answer was too short"
        after = await self._home.status()
        await self._home.ask("stop")
        fetched = after["fetches"] - before["fetches"]
        self.tell(f"its token ended {token_ends_s - woken_s:.1f} s after the wake word; new ones until then: {fetched}")
        assert fetched >= 1
        assert after["state"] == "ok"
        assert self._home.gate.count(401) == refusals
        assert self._xruns() == xruns, "the sound was disturbed"
        self.tell("it spoke on, and no period of sound was late")

    async def _revoked(self) -> None:
        self._step("an administrator revokes the sign-in")
        begun_s = self._stage.room.now_s()
        self._home.entra.directory.end_sign_ins()
        span_s = await self._home.hears(Notice.SIGNED_OUT, begun_s)
        self.tell(
            f"{span_s:.1f} s later, at the next refresh, the speaker says: I'm signed out. Please run speakerd login."
        )
        await self._line(SIGNED_OUT)
        assert (await self._home.status())["code"] == "auth-signed-out"
        assert len(self._stage.marks("notice", after_s=begun_s)) == 1, "once is enough"
        await self._asks_in_vain()

    async def _asks_in_vain(self) -> None:
        woken_s = await self._home.wake()
        span_s = await self._home.hears(Notice.SIGNED_OUT, woken_s)
        self.tell(f'"Hey Jarvis": the same sentence, {1000 * span_s:.0f} ms after the wake word')
        assert span_s < 1.0, "that was not within a second"

    async def _line(self, line: str) -> None:
        await until_line(self._stage, line)
        self.tell(f"systemctl status would show: {line}")

    def _step(self, title: str) -> None:
        say("")
        self.tell(f"== {title}")

    def _xruns(self) -> tuple[int, int]:
        return self._stage.room.xruns("capture"), self._stage.room.xruns("playback")


async def show(out: Path, tier: str) -> bool:
    """Play it, keep the room's sound, and return whether everything worked."""
    log = out / "logs" / "daemon.log"

    def play(**options: Any) -> Stage:
        return Stage(log.parent, tier=tier, room_s=_ROOM_S, **options)

    say("starting a stand-in for Microsoft Entra ID, the service behind a gate, and the daemon")
    try:
        with tempfile.TemporaryDirectory(prefix="speakerd-demo-") as scratch:
            home = await _perform(Path(scratch), out / "room.wav", play)
    except (SpeakerdError, AssertionError) as error:
        say(f"\nthis step did not work: {error or 'see the line above'}")
        if log.exists():
            say(f"the daemon's last lines; all of it is in {log}:\n{last_lines(log.read_text(errors='replace'))}")
        return False
    secrets = len(home.entra.directory.secrets())
    say("")
    say(f"{secrets} tokens and codes were given away; none is in a log, the diary, an answer or a process's arguments")
    say(f"{out / 'room.wav'}: what a person in the room heard")
    say("it worked: signed out, signed in, refreshed while it spoke, revoked, signed in again")
    return True


async def _perform(scratch: Path, recording: Path, play: Callable[..., Stage]) -> House:
    learnt: dict[str, NDArray[np.int16]] = {}
    async with house(play, learnt.__getitem__, scratch, signed_in=False, start_daemon=False, replies=REPLIES) as home:
        for words in ("Hey Jarvis", QUESTION, STORY):
            learnt[words] = await asyncio.to_thread(home.stage.prepare, words)
        home.entra.directory.token_life_s = LIFE_S
        begun_s = home.stage.room.now_s()
        try:
            await home.stage.start_daemon()
            await Show(home).play()
        finally:
            _record(recording, home, begun_s)
    return home


def _record(path: Path, home: House, begun_s: float) -> None:
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(ROOM_RATE_HZ)
        stream.writeframes(home.stage.room.mixed(begun_s, home.stage.room.now_s()).astype("<i2").tobytes())


def say(text: str) -> None:
    """Print something for the person who looks on."""
    print(text, flush=True)  # noqa: T201 - that is what it is for


def main(arguments: Sequence[str] | None = None) -> int:
    """Play it and return the exit code."""
    parser = argparse.ArgumentParser(prog="make demo-entra", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo/entra"), help="where sound and logs go: %(default)s")
    parser.add_argument("--tier", default="auto", choices=("auto", "scripted", "neural"), help="of the service")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(options.out / "logs", ignore_errors=True)  # the sign-in of the last time, above all
    with contextlib.suppress(KeyboardInterrupt):
        return 0 if asyncio.run(show(options.out, options.tier)) else 1
    return 130


if __name__ == "__main__":
    sys.exit(main())

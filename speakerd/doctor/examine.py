"""Every check in its order, each with its own patience: one that hangs or breaks never stops the others."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from speakerd import config
from speakerd.accounts import ChatAccounts
from speakerd.chat import state_of
from speakerd.core.errors import ConfigError, SpeakerdError
from speakerd.core.settings import Settings
from speakerd.doctor import machine, network, service, sound, wake
from speakerd.doctor.advice import advice_for
from speakerd.doctor.patience import in_thread
from speakerd.doctor.report import Line, Report, Verdict, failed, passed, warned
from speakerd.host import client
from speakerd.host.places import daemons_state_folder
from speakerd.identity import Identity
from speakerd.parts import service_of, spec_of
from speakerd.realtime.endpoint import Endpoint
from speakerd.sign_in_alone import worker_of
from speakerd.wake.detector import Detector

USUAL_TIMEOUT_S = 20.0
"""For a check that says nothing else (guess: most take milliseconds)."""

MODELS_TIMEOUT_S = 60.0
"""For reading models, making engines, and a voice's first sentence: seconds on a Pi (guess)."""

SERVICE_TIMEOUT_S = 60.0
"""For starting the embedded service, and for a whole talk: 10 + 10 + 25 s at the worst, and an import (guess)."""

_FIRST = "first what failed above"

Lines = Sequence[Line]


class Examination:
    """Looks at everything, in order. Thread: event loop.

    Args:
        file: The configuration; None: at its usual places.
        environment: Of the process.
        control: Where a running daemon listens.
        begin: Told the heading and the name of each check when it begins.
        tell: Told each line when it is known.
        ask: Shows the owner what to say, and now; None: nobody is asked.

    Attributes:
        report: What is known so far.
        settings: The configuration, once it was read.
        status: What the running daemon says; None: none answers.
    """

    def __init__(
        self,
        file: Path | None,
        environment: Mapping[str, str],
        control: Path,
        *,
        begin: Callable[[str, str], None],
        tell: Callable[[Line], None],
        ask: Callable[[str], None] | None = None,
    ) -> None:
        self.report = Report()
        self.settings: Settings | None = None
        self.status: dict[str, Any] | None = None
        self._file = file
        self._environment = environment
        self._control = control
        self._begin = begin
        self._tell = tell
        self._ask = ask

    async def run(self) -> None:
        """Look at everything. Ends: with the last check, or by cancellation; what is known by then stays known."""
        await self._check("Configuration", "configuration", self._look_at_configuration)
        await self._check("Configuration", "daemon", self._ask_daemon)
        if self.settings is not None:
            await self._look_at_sound(self.settings)
            await self._look_at_wake(self.settings)
            await self._look_at_service(self.settings)
        await self._look_at_machine()

    async def _check(
        self, group: str, name: str, look: Callable[[], Awaitable[Lines]], timeout_s: float = USUAL_TIMEOUT_S
    ) -> None:
        """Run one check and take what it says, whatever becomes of it."""
        self._begin(group, name)
        try:
            async with asyncio.timeout(timeout_s):
                lines = await look()
        except TimeoutError:
            advice = "it hangs; try again, and if it stays: speakerd doctor --bundle"
            lines = [failed(name, f"no result in {timeout_s:.0f} s", advice)]
        except SpeakerdError as error:
            lines = [failed(name, f"{error.code}: {error}", advice_for(error), code=error.code)]
        except Exception as error:  # noqa: BLE001 - the others are to be looked at all the same, and this one is told
            lines = [failed(name, f"the check itself broke: {type(error).__name__}: {error}", "please report it")]
        self.report.add(group, lines)
        for line in lines:
            self._tell(line)

    async def _later(self, group: str, names: Sequence[str], because: str) -> None:
        """Say of checks that they were not made, and why."""
        for name in names:

            async def look(name: str = name) -> Lines:
                return [warned(name, f"not looked at: {because}", _FIRST)]

            await self._check(group, name, look)

    # --- what is here ------------------------------------------------------------------------------------------------

    async def _look_at_configuration(self) -> Lines:
        try:
            loaded = await in_thread(lambda: config.load(self._file, self._environment), "doctor-configuration")
        except ConfigError as error:
            advice = "speakerd check-config shows each place; the other checks need a configuration that is right"
            return [failed("configuration", str(error).strip().replace("\n", "; "), advice, code=error.code)]
        self.settings = loaded.settings
        where = str(loaded.path) if loaded.path else "no file, every default holds"
        lines = [passed("configuration", f"{where}: good", path=str(loaded.path or ""))]
        return lines + [warned("note", note, "nothing has to be done, if this is meant") for note in loaded.notes]

    async def _ask_daemon(self) -> Lines:
        try:
            self.status = await in_thread(lambda: client.request(self._control, "status"), "doctor-control")
        except SpeakerdError as error:
            if isinstance(error.__cause__, PermissionError):
                advice = (
                    "sudo speakerd doctor: it may hold the sound cards and a sign-in that this user cannot ask about"
                )
            else:
                advice = "that is as it should be while you look for something; else: sudo systemctl start speakerd"
            return [warned("daemon", str(error), advice, code=error.code)]
        return [passed("daemon", f"running: {self.status.get('line', '')}", line=self.status.get("line"))]

    async def _look_at_sound(self, settings: Settings) -> None:
        status = self.status
        await self._check("Sound", "sound-devices", _at_once(machine.look_at_sound_access))
        if status is not None:
            await self._check("Sound", "cards", _at_once(lambda: sound.from_daemon(status)))
        else:
            # Its own timeout is shorter, and knows where it hung.
            await self._check("Sound", "chirp", lambda: sound.run_loop(settings.audio), 2 * sound.LOOP_TIMEOUT_S)

    async def _look_at_wake(self, settings: Settings) -> None:
        made: list[Any] = []

        async def look_at_engine() -> Lines:
            lines, detector = await in_thread(lambda: wake.look_at_engine(settings.wake), "doctor-engine")
            made.append(detector)
            return lines

        async def look_at_spoken() -> Lines:
            return await in_thread(lambda: wake.look_at_spoken(made[0], settings.wake), "doctor-spoken")

        await self._check(
            "Wake word",
            "models",
            lambda: in_thread(lambda: wake.look_at_models(settings.wake.models), "doctor-models"),
            MODELS_TIMEOUT_S,
        )
        await self._check("Wake word", "engine", look_at_engine, MODELS_TIMEOUT_S)
        if not any(made):
            await self._later("Wake word", ["spoken"], "there is no engine")
            return
        await self._check("Wake word", "spoken", look_at_spoken, MODELS_TIMEOUT_S)
        if self._ask is not None:
            ask = self._ask
            await self._check("Wake word", "said", lambda: self._listen(settings, made[0], ask), MODELS_TIMEOUT_S)

    async def _listen(self, settings: Settings, detector: Detector, ask: Callable[[str], None]) -> Lines:
        """Let the owner say the wake word."""
        if self.status is not None:
            advice = "say it, and look at 'speakerd status'; or sudo systemctl stop speakerd, and once more"
            return [warned("said", "not listened to: the daemon has the microphone", advice)]
        words = " or ".join(f'"{Path(name).stem.replace("_", " ")}"' for name in settings.wake.models)
        prompt = f"say {words} now, from where you will talk to it ({wake.SAY_S:.0f} s)"
        heard = await sound.listen(settings.audio, wake.SAY_S, lambda: ask(prompt))
        return await in_thread(lambda: wake.look_at_said(detector, settings.wake, heard), "doctor-said")

    # --- the way to the service --------------------------------------------------------------------------------------

    async def _look_at_service(self, settings: Settings) -> None:
        await self._check("Network", "clock", self._look_at_clock)
        async with AsyncExitStack() as stack:
            found: list[Endpoint] = []

            async def find() -> Lines:
                found.append(await stack.enter_async_context(service_of(settings)))
                return [passed("endpoint", f"{found[0].websocket_base_url}, model {found[0].model}")]

            await self._check("Network", "endpoint", find, SERVICE_TIMEOUT_S)
            if not found:
                await self._later("Network", ["dns", "tcp", "tls"], "where the service is, is not known")
                return
            reached = await self._reach(network.place_of(found[0]))
            await self._talk(settings, found[0], reached=reached)

    async def _look_at_clock(self) -> Lines:
        synchronised = await network.is_synchronised()
        return network.look_at_clock(dt.datetime.now(dt.UTC), synchronised=synchronised)

    async def _reach(self, place: network.Place) -> bool:
        """Go step by step as far as it goes; return whether that is all the way."""

        async def look_up() -> Lines:
            lines, _ = await network.look_up(place)
            return lines

        steps: list[tuple[str, Callable[[], Awaitable[Lines]]]] = [
            ("dns", look_up),
            ("tcp", lambda: network.connect(place)),
            ("tls", lambda: network.encrypt(place)),
        ]
        for number, (name, look) in enumerate(steps):
            await self._check("Network", name, look)
            if self.report.has(name, Verdict.FAIL):
                await self._later("Network", [later for later, _ in steps[number + 1 :]], f"{name} failed")
                return False
        return True

    async def _talk(self, settings: Settings, endpoint: Endpoint, *, reached: bool) -> None:
        """See who we are, and ask one question."""
        async with AsyncExitStack() as stack:
            identity = Identity(
                settings,
                self._environment,
                on_change=lambda _: None,
                call_at=asyncio.get_running_loop().call_at,
                state=state_of(self._environment),
                make_worker=worker_of,
            )
            running = asyncio.create_task(identity.run(), name="identity")
            stack.push_async_callback(_cancel, running)

            async def sign_in() -> Lines:
                return [service.or_by_daemon(line, self.status) for line in await service.look_at_sign_in(identity)]

            await self._check("Service", "token", sign_in, SERVICE_TIMEOUT_S)
            if not reached or not self.report.has("token", Verdict.PASS):
                because = "there is no way to it" if not reached else "this command is not signed in"
                await self._later("Service", ["session", "update", "first-audio"], because)
                return
            accounts = ChatAccounts(settings, self._environment, lambda _text: None)
            stack.callback(accounts.close)

            async def ask() -> Lines:
                if not accounts.has_money():
                    return [service.over_budget(settings.budget.daily_usd)]
                told = await service.talk(endpoint, identity.credentials, spec_of(settings), accounts.note_usage)
                return service.judge(told, settings)

            await self._check("Service", "session", ask, SERVICE_TIMEOUT_S)

    # --- the machine -------------------------------------------------------------------------------------------------

    async def _look_at_machine(self) -> None:
        state = daemons_state_folder(self._environment)
        await self._check("Machine", "unit", machine.look_at_unit, 3 * machine.COMMAND_TIMEOUT_S)
        await self._check("Machine", "state", _at_once(lambda: [machine.judge_state(machine.see_state(state))]))
        await self._check("Machine", "memory", _at_once(lambda: machine.judge_memory(_meminfo())))
        await self._check("Machine", "power", machine.look_at_power)


def _at_once(look: Callable[[], Lines]) -> Callable[[], Awaitable[Lines]]:
    """Return a check whose work takes no time, as one that may be waited for; a file system may hang all the same."""
    return lambda: in_thread(look, "doctor-check")


def _meminfo() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/meminfo").read_text(encoding="ascii")
    return ""


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

"""One child process that signs in: what it inherits, what it says, and its end.

What it is asked and what becomes of its answer is in ``process.py``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

from speakerd.auth.answers import Answer, parse

MAX_OUTPUT_BYTES = 64 * 1024
"""A worker that says more is broken (guess; a token takes 4 kB)."""

REAP_TIMEOUT_S = 2.0
"""How long a killed process may take to be gone (guess); one that waits for a dead disk takes for ever."""

NICENESS = 10
"""Loading the library is seconds of work on a Pi; sound goes first (guess)."""

_NEEDED = frozenset(
    {
        *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"),
        *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("AZURE_AUTHORITY_HOST", "CREDENTIALS_DIRECTORY", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT"),
    }
)
"""The variables that signing in knows. AZURE_CLIENT_ID is not one: it would choose another identity by accident."""

_OURS_ALONE = frozenset({"AZURE_OPENAI_API_KEY", "OPENAI_API_KEY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
"""What a worker never gets, even where the environment is what chooses the identity."""

_BY_ENVIRONMENT = ("azure_cli", "default")

_log = logging.getLogger("speakerd.auth")


class NonsenseError(Exception):
    """A worker says what was not agreed on; nothing of it is in the message."""


def needed_of(environment: Mapping[str, str], method: str, account: pwd.struct_passwd | None = None) -> dict[str, str]:
    """Return what a worker gets of our environment.

    Args:
        environment: Ours.
        method: ``auth.method``.
        account: As whom it runs; None: as we do.
    """
    if method in _BY_ENVIRONMENT:
        needed = {name: value for name, value in environment.items() if name not in _OURS_ALONE}
    else:
        needed = {name: value for name, value in environment.items() if name.upper() in _NEEDED}
    if account is not None:
        needed.pop("XDG_RUNTIME_DIR", None)
        needed |= {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
    return needed


async def _spawn(
    command: Sequence[str], environment: Mapping[str, str], account: pwd.struct_passwd | None, output: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
        umask=0o077,
        start_new_session=True,  # a group to be killed as one; Ctrl-C is for us alone
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=account and os.getgrouplist(account.pw_name, account.pw_gid),
    )


class Child:
    """A worker that runs. It inherits two pipes, and leads a group of processes that ends with it."""

    def __init__(
        self, process: asyncio.subprocess.Process, output: asyncio.StreamReader, pipe: asyncio.BaseTransport
    ) -> None:
        self._process = process
        self._output = output
        self._pipe = pipe

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str], account: pwd.struct_passwd | None
    ) -> Child:
        """Start a worker.

        Args:
            command: What to start.
            environment: All of its environment.
            account: As whom it runs; None: as we do.

        Raises:
            OSError: it cannot be started.
        """
        our_end, their_end = os.pipe()
        output = asyncio.StreamReader()
        try:
            # A pipe of our own can be closed, whoever still holds its other end.
            pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(output), os.fdopen(our_end, "rb", buffering=0)
            )
            try:
                process = await _spawn(command, environment, account, their_end)
            except BaseException:
                pipe.close()
                raise
        finally:
            os.close(their_end)
        with suppress(ProcessLookupError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, process.pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
        return cls(process, output, pipe)

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.returncode

    def ask(self, line: str) -> None:
        """Send it one line, and no more; a worker that has died meanwhile shows it by its silence."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.close()

    async def answers(self) -> AsyncIterator[Answer]:
        """Yield what it says, until it has ended.

        Raises:
            NonsenseError: it says what was not agreed on, or too much.
        """
        rest, heard_bytes = b"", 0
        while chunk := await self._output.read(MAX_OUTPUT_BYTES):
            heard_bytes += len(chunk)
            if heard_bytes > MAX_OUTPUT_BYTES:
                raise NonsenseError("too much")
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield _parsed(line)
        if rest:
            raise NonsenseError("half a line")
        await self._process.wait()

    async def end(self) -> None:
        """Kill what still runs of it, and see it gone."""
        self._pipe.close()
        # Also where it has ended: an Azure CLI that hangs outlives it. PermissionError: its number is another's by now.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        try:
            async with asyncio.timeout(REAP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            _log.warning("the sign-in worker %s was killed and is still there", self._process.pid)


def _parsed(line: bytes) -> Answer:
    try:
        return parse(line)
    except ValueError as error:
        raise NonsenseError(str(error)) from None

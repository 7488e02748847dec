"""A stand-in for the Azure Arc agent's token endpoint, with its challenge file.

    python -m tests.fakes.arc --help

starts one by hand. The library reads challenge files in one folder only, which belongs to root: ``TOKENS``. A test that
runs as root lets the fake make that folder. Otherwise ``in_private_folder`` starts a process that sees another there.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.door import NO_PROXY, Door, QuietHandler, break_off, until_told
from tests.fakes.entra_answers import FAULTS, Answer, Fault, Plans, good, refuse
from tests.fakes.entra_directory import Directory
from tests.fakes.entra_journal import Journal, Visit

TOKENS = Path("/var/opt/azcmagent/tokens")
"""Where the library looks for challenge files (specified)."""

ENDPOINTS = ("connection", "challenge", "token")
"""Where faults can be set: the socket, the first request, and the second one that shows the file's content."""

CHALLENGES = ("ok", "none", "garbled", "too-large", "missing")
"""What the first answer may be: a challenge; a token without one; a header nobody understands; with a file of more than
4 KB; with a file that is not there."""

ARC_FAULTS = FAULTS | {"agent-expired": Fault("agent-expired", 700024, "unauthorized_client", 400)}
"""The authority's faults and one of the agent: it was off for too long and must be connected anew. What it really
answers then is not known."""

_LIFE_S = 86_400
_PATH = "/metadata/identity/oauth2/token"
_PATIENCE_S = 60.0
_KEY_BYTES = 64
_TOO_LARGE_BYTES = 4097
_SELECTORS = ("client_id", "object_id", "msi_res_id")


class Arc:
    """The agent; a context manager that listens, and keeps its challenge files, from beginning to end.

    There is one at a time on a machine, unless it has a folder of its own; others wait.

    Args:
        directory: Who makes the tokens; None: one of its own.
        port: Where to listen; 0: any.
        tokens: Where its challenge files go; what it says in its challenges is always ``TOKENS``.
        group: Id of the group that alone may read them, as himds is in reality; None: everybody may.

    Attributes:
        journal: What was asked of it.
        challenge: What its first answer is: one of ``CHALLENGES``.
        assigned: User-assigned identities of this machine: client, object or resource ids.
        echoes: Whether it knows of user-assigned identities at all; older agents give the machine's own token.
    """

    def __init__(
        self, directory: Directory | None = None, *, port: int = 0, tokens: Path = TOKENS, group: int | None = None
    ) -> None:
        if directory is None:
            directory = Directory(time.time)
            directory.token_life_s = _LIFE_S
        self.directory = directory
        self.journal = Journal()
        self.challenge = "ok"
        self.assigned: set[str] = set()
        self.echoes = True
        self._exits = contextlib.ExitStack()
        self._plans = Plans(ENDPOINTS)
        self._tokens, self._group = tokens, group
        self._keys: dict[str, Path] = {}
        self._door = Door(self._serve, port=port)
        self.url = f"http://localhost:{self._door.port}"

    def __enter__(self) -> Self:
        if self._tokens == TOKENS:
            self._exits.enter_context(_alone())
        self._tokens.mkdir(parents=True, exist_ok=True)
        if self._group is not None:
            os.chown(self._tokens, -1, self._group)
        self._tokens.chmod(0o755 if self._group is None else 0o750)
        self._door.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._door.close()
        for path in self._keys.values():
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else may be in there
            for folder in (self._tokens, self._tokens.parent):
                folder.rmdir()
        self._exits.close()

    @property
    def environment(self) -> dict[str, str]:
        """What the agent's set-up puts into the environment of services."""
        return {
            "IDENTITY_ENDPOINT": self.url + _PATH,
            "IMDS_ENDPOINT": self.url,
            **NO_PROXY,
        }

    def fail(self, endpoint: str, fault: str | Fault, times: float = float("inf")) -> None:
        """Let the next requests meet a fault.

        Args:
            endpoint: One of ``ENDPOINTS``.
            fault: A name of ``ARC_FAULTS``, or one of your own.
            times: How many requests.
        """
        self._plans.add(endpoint, ARC_FAULTS[fault] if isinstance(fault, str) else fault, times)

    def heal(self) -> None:
        """Let everything go right again."""
        self._plans.clear()
        self.challenge = "ok"

    def down(self) -> None:
        """Stop the agent: connecting is refused."""
        self._door.shut()

    def up(self) -> None:
        """Start it again, at the same address."""
        self._door.open()

    def _serve(self, caller: socket.socket) -> None:
        fault = self._plans.take("connection")
        if fault is not None and fault.breaks is not None:
            break_off(caller, fault.breaks)
        _Handler(caller, ("", 0), self)  # type: ignore[arg-type] # the fake is the server

    def answer(self, handler: _Handler) -> None:
        """Answer one request, or let it meet its fault."""
        url = urlsplit(handler.path)
        query = dict(parse_qsl(url.query))
        proof = handler.headers.get("Authorization")
        visit = Visit("challenge" if proof is None else "token", time.monotonic(), str(uuid.uuid4()), query)
        self.journal.add(visit)
        fault = self._plans.take(visit.endpoint)
        said = None
        if fault is not None:
            visit.fault = fault.name
            self._door.closing.wait(fault.delay_s)
            if fault.breaks in ("dead", "reset"):
                break_off(handler.connection, fault.breaks)
            said = fault.refusal(visit.correlation_id, self.directory.now_s())
        if said is None and (url.path != _PATH or handler.headers.get("Metadata") != "true"):
            said = Answer(400, b'{"error":"bad_request","error_description":"path or Metadata header"}')
        said = said or (self._challenge(query) if proof is None else self._token(query, proof))
        visit.status, visit.aadsts, visit.ended_s = said.status, said.code, time.monotonic()
        handler.send(
            said.status,
            said.body,
            {"Content-Type": said.kind, **said.headers},
            half=fault is not None and fault.breaks == "half",
        )

    def _challenge(self, query: dict[str, str]) -> Answer:
        if self.challenge == "none":
            return good(self._content(query))
        if self.challenge == "garbled":
            return Answer(401, b"", {"WWW-Authenticate": "Bearer"})
        key = TOKENS / f"{uuid.uuid4()}.key"
        path = self._tokens / key.name
        secret = secrets.token_urlsafe(_TOO_LARGE_BYTES if self.challenge == "too-large" else _KEY_BYTES)
        if self.challenge != "missing":
            path.write_text(secret)
            path.chmod(0o644 if self._group is None else 0o640)
            if self._group is not None:
                os.chown(path, -1, self._group)
        self._keys[secret] = path
        return Answer(401, b"", {"WWW-Authenticate": f"Basic realm={key}"})

    def _token(self, query: dict[str, str], proof: str) -> Answer:
        path = self._keys.pop(proof.removeprefix("Basic "), None)
        if path is None:
            return refuse(None, str(uuid.uuid4()), self.directory.now_s(), "unauthorized_client", 401)
        path.unlink(missing_ok=True)
        wanted = {query[name] for name in _SELECTORS if name in query}
        if self.echoes and wanted - self.assigned:
            return refuse(None, str(uuid.uuid4()), self.directory.now_s(), "invalid_request", 400)
        return good(self._content(query))

    def _content(self, query: dict[str, str]) -> dict[str, object]:
        """Return a token's answer: its numbers are strings."""
        token = self.directory.for_machine()
        life_s = self.directory.token_life_s
        selected = {name: query[name] for name in _SELECTORS if name in query and self.echoes}
        return {
            "access_token": token,
            "client_id": "99999999-8888-7777-6666-555555555555",
            "expires_in": str(int(life_s)),
            "expires_on": str(int(self.directory.now_s() + life_s)),
            "ext_expires_in": str(int(life_s)),
            "not_before": str(int(self.directory.now_s())),
            "resource": query.get("resource", ""),
            "token_type": "Bearer",
            **selected,
        }


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other fake agent of this machine uses ``TOKENS``: tests may run side by side."""
    deadline_s = time.monotonic() + _PATIENCE_S
    with (Path(tempfile.gettempdir()) / "speakerd-fake-arc.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                assert time.monotonic() < deadline_s, f"another fake agent uses {TOKENS}"
                time.sleep(0.05)
            else:
                break
        yield


class _Handler(QuietHandler):
    """One connection; its server is the agent."""

    server: Arc  # type: ignore[assignment] # it is only passed through

    def do_GET(self) -> None:  # noqa: N802 - the base class calls it so
        self.server.answer(self)


def why_not_here() -> str | None:
    """Return why the fake cannot make the folder that the library looks into; None: it can."""
    if Path("/opt/azcmagent").exists():
        return "a real Azure Arc agent lives here"
    return None if os.geteuid() == 0 else f"only root can make {TOKENS}"


def why_not_private() -> str | None:
    """Return why a process cannot be given a folder of its own there; None: it can."""
    if shutil.which("unshare") is None:
        return "there is no unshare"
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(in_private_folder(Path(folder), ["true"]), capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"no private mounts here: {tried.stderr.strip()}"


def in_private_folder(folder: Path, command: Sequence[str]) -> list[str]:
    """Return the command that runs another where ``folder/azcmagent/tokens`` is seen as ``TOKENS``.

    Needs no root, where the system lets users make name spaces; the process believes to be root.
    """
    script = 'mount --bind "$0" /var/opt && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", script, str(folder), *command]


def main() -> None:
    """Run an agent until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.arc", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--life", type=float, default=_LIFE_S, metavar="S", help="life of a token (default 86400)")
    parser.add_argument("--group", type=int, metavar="GID", help="let only this group read the challenge files")
    parser.add_argument("--challenge", choices=CHALLENGES, default="ok", help="what the first answer is")
    parser.add_argument("--fault", choices=sorted(ARC_FAULTS), help="let every second answer be this")
    options = parser.parse_args()
    if (reason := why_not_here()) is not None:
        parser.error(reason)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # threads inherit it
    with Arc(port=options.port, group=options.group) as arc:
        arc.directory.token_life_s, arc.challenge = options.life, options.challenge
        if options.fault:
            arc.fail("token", options.fault)
        lines = [f"export {name}={value}" for name, value in arc.environment.items()]
        print("\n".join([*lines, "# auth: {method: managed_identity}"]), flush=True)  # noqa: T201 - for this it runs
        until_told()


if __name__ == "__main__":
    main()

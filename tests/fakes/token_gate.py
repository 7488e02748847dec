"""A gate in front of the embedded service: lets in who shows a token of the fake authority's, as Azure's service would.

    python -m tests.fakes.token_gate --help

starts one by hand. Whether a token is any good is for the authority to say, by its own clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from tests.fakes.relay import Relay

_PATIENCE_S = 10.0
"""How long a caller may take to send its handshake (guess)."""

_NO_TOKEN = {
    "statusCode": 401,
    "message": "The fake service wants an access token for https://cognitiveservices.azure.com that is not over.",
}
"""What the service answers to a token that is missing, unknown or over: the shape is known from public reports."""

_NO_ROLE = {"error": {"code": "PermissionDenied", "message": "The fake service's role is not given to this principal."}}
"""What it answers where the role is missing, with 401 as well: known from public reports, of plain HTTP requests."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """One attempt to come in."""

    at_s: float
    """When, on the monotonic clock."""

    verdict: str
    """What the authority says of its token; ``missing``: there was none."""

    status: int
    """What it was answered; 101: it was let in."""


class TokenGate(Relay):
    """Listens on loopback, without TLS, and passes those on who show a good token.

    Args:
        upstream: Base URL of the service, as ``ws://127.0.0.1:PORT/v1``.
        judge: Says what a token is worth, as ``Directory.judge`` does; called in a thread.

    Attributes:
        handshakes: Who came, in order.
        no_role_status: What is answered to a good token without the role: 401 or 403.
    """

    def __init__(self, upstream: str, judge: Callable[[str], str], *, port: int = 0) -> None:
        super().__init__(upstream, port=port)
        self._judge = judge
        self.handshakes: list[Handshake] = []
        self.no_role_status = 401

    def count(self, status: int) -> int:
        """Return how many handshakes were answered so; 101: let in."""
        return sum(handshake.status == status for handshake in self.handshakes)

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return None
        token = _bearer(head)
        verdict = "missing" if token is None else await asyncio.to_thread(self._judge, token)
        status = 101 if verdict == "ok" else self.no_role_status if verdict == "no-role" else 401
        self.handshakes.append(Handshake(time.monotonic(), verdict, status))
        if status == 101:
            return head
        writer.write(_refusal(status, _NO_ROLE if verdict == "no-role" else _NO_TOKEN))
        await writer.drain()
        return None


def _bearer(head: bytes) -> str | None:
    """Return the token of a handshake."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "authorization" and value.strip().lower().startswith("bearer "):
            return value.strip()[len("bearer ") :].strip()
    return None


def _refusal(status: int, content: Mapping[str, object]) -> bytes:
    body = json.dumps(content).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"apim-request-id: {uuid.uuid4()}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ask(authority: str, trust: str) -> Callable[[str], str]:
    """Return a judge that asks an authority which was started by hand.

    Args:
        authority: Its URL.
        trust: The file with its certificate authority.
    """
    context = ssl.create_default_context(cafile=trust)

    def judge(token: str) -> str:
        form = urllib.parse.urlencode({"token": token}).encode()
        with urllib.request.urlopen(f"{authority}/judge", form, timeout=_PATIENCE_S, context=context) as answer:
            return str(json.load(answer)["verdict"])

    return judge


async def _run(options: argparse.Namespace) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with TokenGate(options.upstream, ask(options.authority, options.trust), port=options.port) as gate:
        gate.no_role_status = options.no_role
        print(f"# service: {{provider: azure, endpoint: {gate.url}}}", flush=True)  # noqa: T201 - for this it runs
        await told.wait()


def main() -> None:
    """Run a gate until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fakes.token_gate", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("upstream", help="base URL of the service, as 'speakerd emulate' prints it")
    parser.add_argument("--authority", required=True, metavar="URL", help="AZURE_AUTHORITY_HOST of tests.fakes.entra")
    parser.add_argument("--trust", required=True, metavar="PEM", help="its REQUESTS_CA_BUNDLE")
    parser.add_argument("--port", type=int, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--no-role", type=int, choices=(401, 403), default=401, help="answer where the role is missing")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()

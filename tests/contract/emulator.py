"""``speakerd emulate`` as other programs meet it: a process that says where it listens."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.command import environment

_LISTENING = re.compile(r"listening on (\w+)://([^/\s]+)/v1 ")
_CERTIFICATE = re.compile(r"(/\S+\.(?:pem|crt))")


@dataclass(frozen=True)
class Emulator:
    """What the process said of itself."""

    scheme: str
    """``ws`` or ``wss``."""

    place: str
    """Host and port."""

    certificate: Path | None
    """What a client must trust when the scheme is ``wss``."""

    @property
    def endpoint(self) -> str:
        """The endpoint as a quick start is given it: Azure's without a path."""
        return f"{'https' if self.scheme == 'wss' else 'ws'}://{self.place}"

    @property
    def url(self) -> str:
        """The whole URL of a session."""
        return f"{self.scheme}://{self.place}/v1/realtime?model=gpt-realtime"


@contextlib.contextmanager
def emulating(*options: str, script: list[str] | None = None) -> Iterator[Emulator]:
    """Run ``speakerd emulate`` with the scripted tier on a free port, until the block ends.

    Args:
        options: More of its options.
        script: What it answers, in turn.
    """
    more: Mapping[str, str] = {} if script is None else {"SPEAKERD_EMULATE_SCRIPT": json.dumps(script)}
    process = subprocess.Popen(
        (sys.executable, "-m", "speakerd", "emulate", "--port", "0", "--tier", "scripted", *options),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(**more),
    )
    with process:
        try:
            yield _announced(process, secure="--tls" in options)
        finally:
            process.terminate()


def _announced(process: subprocess.Popen[str], *, secure: bool) -> Emulator:
    """Read what a program may rely on: where it listens and, with TLS, which certificate it shows."""
    assert process.stdout is not None
    scheme = place = ""
    for line in process.stdout:
        if found := _LISTENING.search(line):
            scheme, place = found.groups()
        certificate = _CERTIFICATE.search(line)
        if scheme and (certificate or not secure):
            return Emulator(scheme, place, Path(certificate[1]) if certificate else None)
    raise AssertionError(f"it ended without saying where it listens, with {process.wait()}")

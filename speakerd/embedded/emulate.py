"""``speakerd emulate``: the embedded service by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.embedded import certificate
from speakerd.embedded.certificate import Tls
from speakerd.embedded.fault_control import checked
from speakerd.embedded.faults import FAULTS_VARIABLE, Faults
from speakerd.embedded.guide import Place, guide
from speakerd.embedded.options import Options, is_loopback
from speakerd.embedded.server import BURST_PACE, EmbeddedService
from speakerd.embedded.spawn import end_with_parent
from speakerd.embedded.tiers import TierName, build

_log = logging.getLogger("speakerd.embedded")

DEFAULT_PORT = 8765
"""Where it listens unless told otherwise (chosen)."""

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, and listened on only when there is a key


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line can ask for beside address and tier."""

    tls: bool = False
    """Speak TLS, with a certificate made on the fly unless there is an own one."""

    tls_cert: Path | None = None
    """An own certificate with its chain, PEM; means TLS."""

    tls_key: Path | None = None
    """Its key, PEM."""

    api_key_file: Path | None = None
    """File with the key that clients must know."""

    record: Path | None = None
    """Keep what is heard and said in this folder."""

    faults: Path | None = None
    """Take faults from this file whenever it changes."""

    faults_control: bool = False
    """Let clients on this machine change the faults at ``/faults``."""

    transcripts: bool = False
    """Log what is said."""


async def emulate(
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    tier: TierName = "auto",
    *,
    paced: bool = False,
    announce: Callable[[str], None] | None = None,
    wishes: Wishes | None = None,
) -> None:
    """Serve Realtime clients.

    Args:
        host: A loopback address, or with a key any other.
        port: 0: any free one.
        tier: Which ears, brain and voice.
        paced: Send answers in real time rather than in a burst.
        announce: Told, line by line, where it listens and how to use it; the first line is for programs. None: written
            to standard output.
        wishes: What else is wanted.

    Ends:
        By cancellation only; clients are told 1001.

    Raises:
        SpeakerdError: it cannot listen there, the tier cannot be loaded, or a file that was named cannot be used.
    """
    end_with_parent()
    tell = announce or _write_line
    wishes = wishes or Wishes()
    name = socket.gethostname() if host in _EVERYWHERE else host
    with _encryption(wishes, name) as tls:
        if tls is None and not is_loopback(host):
            _log.warning(
                "key and sound travel in clear text: whoever is on the network can read them. Use --tls, or --tls-cert "
                "and --tls-key, or listen on 127.0.0.1 behind a tunnel"
            )
        service = EmbeddedService(
            partial(build, tier),
            host=host,
            port=port,
            pace=1.0 if paced else BURST_PACE,
            faults=faults_from_environment(),
            options=Options(
                tls=tls.context if tls is not None else None,
                api_key=read_key(wishes.api_key_file) if wishes.api_key_file is not None else None,
                record=wishes.record,
                fault_file=wishes.faults,
                fault_control=wishes.faults_control,
                transcripts=wishes.transcripts,
            ),
        )
        async with service:
            loaded = await service.tier()
            tell(f"listening on {service.url} (tier: {loaded.name})")
            place = Place(
                service.url if name == host else f"{service.url.split(':')[0]}://{name}:{service.port}/v1",
                trust=tls.trust if tls is not None else None,
                key_file=wishes.api_key_file.absolute() if wishes.api_key_file is not None else None,
                fault_control=wishes.faults_control,
                record=wishes.record,
            )
            for line in guide(place):
                tell(line)
            await asyncio.Event().wait()


def _encryption(wishes: Wishes, name: str) -> contextlib.AbstractContextManager[Tls | None]:
    """Return the TLS that is wanted, as long as the context lasts.

    Raises:
        SpeakerdError: certificate and key do not come together (code ``embedded-certificate``).
    """
    if wishes.tls_cert is not None and wishes.tls_key is not None:
        return contextlib.nullcontext(certificate.own(wishes.tls_cert, wishes.tls_key))
    if wishes.tls_cert is not None or wishes.tls_key is not None:
        raise SpeakerdError("embedded-certificate", "--tls-cert and --tls-key belong together", Remedy.EXIT)
    return certificate.throw_away([name]) if wishes.tls else contextlib.nullcontext()


def read_key(path: Path) -> str:
    """Return the key in a file.

    Raises:
        SpeakerdError: there is none (code ``embedded-key``).
    """
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SpeakerdError("embedded-key", f"cannot read the key in {path}: {error}", Remedy.EXIT) from error
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        sentence = f"{path} must hold one key: printable ASCII without spaces"
        raise SpeakerdError("embedded-key", sentence, Remedy.EXIT)
    return key


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def faults_from_environment() -> Faults:
    """Return the faults the environment asks for.

    Raises:
        SpeakerdError: they cannot be read.
    """
    source = os.environ.get(FAULTS_VARIABLE)
    try:
        return checked(source) if source else Faults()
    except ValueError as error:
        raise SpeakerdError("embedded-faults", f"{FAULTS_VARIABLE}: {error}", Remedy.EXIT) from error

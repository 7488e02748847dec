"""How a service can differ from the plain one on the loopback. Values only."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from speakerd.embedded.patience import PATIENCE_S

SEATS = 64
"""Sessions at a time; two cores carry 20 with ease (guessed; the test of concurrency measures)."""


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Options:
    """How a service differs from the plain one on the loopback."""

    tls: ssl.SSLContext | None = None
    """Speak TLS with this."""

    api_key: str | None = None
    """What clients must know; None: any key will do, and the service stays on the loopback."""

    record: Path | None = None
    """Keep what is heard and said in this folder."""

    fault_file: Path | None = None
    """Take faults from this file whenever it changes."""

    fault_control: bool = False
    """Let clients on this machine read and change the faults at ``/faults``."""

    transcripts: bool = False
    """Log what is said in each turn."""

    seats: int = SEATS
    """Sessions at a time; more are refused with 503."""

    patience_s: float = PATIENCE_S
    """How often a client is pinged, and how long it may take to answer."""

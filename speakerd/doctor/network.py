"""Clock, name, connection and certificate of the service's host, one below the other."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from speakerd.core.hosts import is_loopback
from speakerd.doctor.advice import advice_by_code, advice_for_certificate
from speakerd.doctor.patience import in_thread
from speakerd.doctor.report import Line, failed, passed, warned
from speakerd.realtime.endpoint import Endpoint

EARLIEST = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""No clock that is right says less: this program is younger (chosen). A Pi without a battery starts in the past."""

SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd touches it once the clock is set (specified by systemd)."""

CONNECT_TIMEOUT_S = 8.0
"""For each of name, connection and encryption (guess: a slow link answers within three seconds)."""

SOON_DAYS = 14
"""A certificate that ends sooner should have been renewed (guess: usual tools renew a month ahead)."""

SLOW_MS = 300.0
"""A round trip that is longer is heard as a pause (guess)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where connections to the service go."""

    host: str
    """Name or address."""

    port: int
    """TCP port."""

    secure: bool
    """Whether they are encrypted by us at once; not by way of a proxy."""

    proxy: bool = False
    """Whether it is a proxy and not the service itself."""


def place_of(endpoint: Endpoint, proxies: Mapping[str, str] | None = None) -> Place:
    """Return where connections to a service go.

    Args:
        endpoint: The service.
        proxies: By scheme; None: as the environment says, whom it excepts included.
    """
    url = urlsplit(endpoint.websocket_base_url)
    host, secure = url.hostname or "", url.scheme == "wss"
    if proxies is None:
        proxies = {} if proxy_bypass(host) else getproxies()
    through = proxies.get("https" if secure else "http")
    if through and not endpoint.loopback:
        proxy = urlsplit(through if "//" in through else f"//{through}")
        return Place(proxy.hostname or "", proxy.port or 8080, secure=False, proxy=True)
    return Place(host, url.port or (443 if secure else 80), secure)


def look_at_clock(now: dt.datetime, *, synchronised: bool | None) -> list[Line]:
    """Return what is to be said of this machine's clock.

    Args:
        now: What it shows.
        synchronised: Whether it was set by the network; None: nobody can tell.
    """
    shown, iso = f"{now:%Y-%m-%d %H:%M} UTC", now.isoformat(timespec="seconds")
    if now < EARLIEST:
        advice = "sudo timedatectl set-ntp true, and let UDP port 123 out; without a network: sudo date -s"
        return [failed("clock", f"{shown} is in the past: no certificate and no token is valid then", advice, now=iso)]
    if synchronised is False:
        advice = "sudo timedatectl set-ntp true; without a battery the clock stands still while the power is off"
        return [warned("clock", f"{shown}, not set by the network", advice, now=iso)]
    how = "set by the network" if synchronised else "plausible; nothing here says whether the network sets it"
    return [passed("clock", f"{shown}, {how}", now=iso, synchronised=synchronised)]


async def is_synchronised(marker: Path = SYNCHRONISED) -> bool | None:
    """Return whether the network has set the clock, as far as systemd knows; None: it does not say.

    Args:
        marker: What systemd-timesyncd touches.
    """
    if marker.exists():  # noqa: ASYNC240 - on /run, which never waits for a disk
        return True
    try:
        asked = await asyncio.create_subprocess_exec(
            *("timedatectl", "show", "--property=NTPSynchronized", "--value"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        said, _ = await asked.communicate()
    finally:
        if asked.returncode is None:
            asked.kill()
    return {b"yes": True, b"no": False}.get(said.strip())


async def look_up(place: Place, timeout_s: float = CONNECT_TIMEOUT_S) -> tuple[list[Line], Sequence[str]]:
    """Resolve the host's name; return the line and the addresses.

    Args:
        place: Where to.
        timeout_s: How long the resolver may think; its own patience is half a minute.
    """
    if is_loopback(place.host):
        return [passed("dns", f"{place.host} is this machine")], [place.host]
    begun_s = time.monotonic()
    what = "the proxy " if place.proxy else ""
    try:
        async with asyncio.timeout(timeout_s):
            found = await in_thread(
                lambda: socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM), "doctor-dns"
            )
    except TimeoutError:
        detail = f"the resolver said nothing about {what}{place.host} for {timeout_s:.0f} s"
        return [failed("dns", detail, advice_by_code("link-timeout"), code="link-timeout")], []
    except OSError as error:
        detail = f"{what}{place.host} has no address: {error.strerror}"
        return [failed("dns", detail, advice_by_code("link-dns"), code="link-dns")], []
    except UnicodeError:
        detail = f"{place.host} cannot be a host's name"
        return [failed("dns", detail, advice_by_code("link-dns"), code="link-dns")], []
    took_ms = round(1000 * (time.monotonic() - begun_s), 1)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return [
        passed("dns", f"{what}{place.host}: {len(addresses)} addresses in {took_ms} ms", took_ms=took_ms)
    ], addresses


async def connect(place: Place) -> list[Line]:
    """Open a connection and shut it again."""
    begun_s = time.monotonic()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(place.host, place.port, happy_eyeballs_delay=0.25)
    except TimeoutError:
        detail = f"no answer from {place.host} port {place.port} in {CONNECT_TIMEOUT_S:.0f} s"
        return [failed("tcp", detail, advice_by_code("link-timeout"), code="link-timeout")]
    except ConnectionRefusedError:
        detail = f"nothing listens at {place.host} port {place.port}"
        return [failed("tcp", detail, advice_by_code("link-refused"), code="link-refused")]
    except OSError as error:
        detail = f"no way to {place.host} port {place.port}: {error.strerror or error}"
        return [failed("tcp", detail, advice_by_code("link-timeout"), code="link-lost")]
    took_ms = round(1000 * (time.monotonic() - begun_s), 1)
    writer.close()
    detail = f"{place.host} port {place.port} answers in {took_ms} ms"
    if took_ms > SLOW_MS:
        advice = "is the Wi-Fi weak? Is there a service nearer by? Every reply begins so much later"
        return [warned("tcp", detail, advice, took_ms=took_ms)]
    return [passed("tcp", detail, took_ms=took_ms)]


async def encrypt(place: Place, context: ssl.SSLContext | None = None) -> list[Line]:
    """Open an encrypted connection, and look at the certificate.

    Args:
        place: Where to.
        context: Whom to trust; None: as the link does.
    """
    if place.proxy:
        return [passed("tls", "not looked at: the proxy is in between; the line session tells")]
    if not place.secure:
        return [passed("tls", "none: the service is on this machine")]
    begun_s = time.monotonic()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            chosen = context or await in_thread(ssl.create_default_context, "doctor-certificates")
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=chosen, happy_eyeballs_delay=0.25)
    except TimeoutError:
        detail = f"{place.host} does not answer to TLS in {CONNECT_TIMEOUT_S:.0f} s"
        return [failed("tls", detail, advice_by_code("link-timeout"), code="link-timeout")]
    except ssl.SSLCertVerificationError as error:
        detail = f"the certificate of {place.host} is refused: {error.verify_message}"
        advice = advice_for_certificate(error.verify_code)
        return [failed("tls", detail, advice, code="link-tls", verify_code=error.verify_code)]
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror or "it breaks off"
        advice = "does the port speak TLS? Something between here and there may cut it: try another network"
        return [failed("tls", f"no encrypted connection to {place.host}: {reason}", advice, code="link-tls")]
    took_ms = round(1000 * (time.monotonic() - begun_s), 1)
    link = writer.get_extra_info("ssl_object")
    writer.close()
    return [_certificate(place, link.version(), link.getpeercert() or {}, took_ms, time.time())]


def _certificate(place: Place, version: str, certificate: Mapping[str, object], took_ms: float, now_s: float) -> Line:
    issuer = dict(pair for entry in certificate.get("issuer", ()) for pair in entry)  # type: ignore[attr-defined]  # as ssl says
    by = issuer.get("organizationName") or issuer.get("commonName") or "somebody"
    days = int((ssl.cert_time_to_seconds(str(certificate["notAfter"])) - now_s) // 86_400)
    detail = f"{version} in {took_ms} ms, certificate by {by}, valid for {days} days"
    figures = {"took_ms": took_ms, "version": version, "issuer": by, "valid_days": days}
    if days < SOON_DAYS:
        return warned("tls", detail, f"the certificate of {place.host} must be renewed by its owner soon", **figures)
    return passed("tls", detail, **figures)

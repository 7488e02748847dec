"""Clock, name, connection, certificate: against real sockets on this machine, and names that are nobody's."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from speakerd.doctor import network
from speakerd.doctor.advice import CERTIFICATES, advice_for_certificate
from speakerd.doctor.network import Place, connect, encrypt, is_synchronised, look_at_clock, look_up, place_of
from speakerd.doctor.report import Verdict
from speakerd.realtime.endpoint import Endpoint

NOW = dt.datetime(2026, 11, 28, 14, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("now", "synchronised", "verdict", "detail"),
    [
        (NOW, True, Verdict.PASS, "14:05 UTC, set by the network"),
        (NOW, None, Verdict.PASS, "plausible"),
        (NOW, False, Verdict.WARN, "not set"),
        (NOW.replace(year=1970), None, Verdict.FAIL, "1970-11-28 14:05 UTC is in the past"),
        (NOW.replace(year=2025), True, Verdict.FAIL, "in the past"),
    ],
)
def test_the_clock(now: dt.datetime, synchronised: bool | None, verdict: Verdict, detail: str) -> None:
    (line,) = look_at_clock(now, synchronised=synchronised)
    assert line.verdict is verdict
    assert detail in line.detail
    assert verdict is Verdict.PASS or "timedatectl" in str(line.advice)


async def test_systemds_mark_is_believed(tmp_path: Path) -> None:
    (tmp_path / "synchronized").touch()
    assert await is_synchronised(tmp_path / "synchronized") is True


@pytest.mark.parametrize(
    ("url", "proxies", "place"),
    [
        ("wss://x.openai.azure.com/openai/v1", {}, Place("x.openai.azure.com", 443, secure=True)),
        ("wss://x.lan:8443/v1", {}, Place("x.lan", 8443, secure=True)),
        ("ws://127.0.0.1:9/v1", {"http": "http://p:1"}, Place("127.0.0.1", 9, secure=False)),
        ("wss://x.lan/v1", {"https": "http://me:pw@p.lan:3128"}, Place("p.lan", 3128, secure=False, proxy=True)),
        ("wss://x.lan/v1", {"https": "p.lan"}, Place("p.lan", 8080, secure=False, proxy=True)),
    ],
)
def test_where_connections_go(url: str, proxies: dict[str, str], place: Place) -> None:
    assert place_of(Endpoint(url, "m"), proxies) == place


async def test_this_machine_needs_no_name() -> None:
    lines, addresses = await look_up(Place("127.0.0.1", 9, secure=False))
    assert (lines[0].verdict, addresses) == (Verdict.PASS, ["127.0.0.1"])


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid", "a..b"])
async def test_a_name_that_is_nobodys(host: str) -> None:
    """``.invalid`` is never anybody's (RFC 6761)."""
    lines, addresses = await look_up(Place(host, 443, secure=True))
    assert lines[0].verdict is Verdict.FAIL
    assert lines[0].data["code"] == "link-dns"
    assert "service.endpoint" in str(lines[0].advice)
    assert addresses == []


async def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    """Its thread is left behind."""
    lines, _ = await look_up(Place("no-such-host.invalid", 443, secure=True), timeout_s=0.0)
    assert lines[0].data["code"] == "link-timeout"


@contextlib.asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Accept connections on the port given."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_port_that_answers_and_one_that_does_not() -> None:
    async with listening() as port:
        (there,) = await connect(Place("127.0.0.1", port, secure=False))
        assert there.verdict is Verdict.PASS
        assert there.data["took_ms"] < 1000
    (gone,) = await connect(Place("127.0.0.1", port, secure=False))
    assert (gone.verdict, gone.data["code"]) == (Verdict.FAIL, "link-refused")


async def test_without_encryption_there_is_nothing_to_look_at() -> None:
    assert (await encrypt(Place("127.0.0.1", 9, secure=False)))[0].verdict is Verdict.PASS
    (line,) = await encrypt(Place("p.lan", 9, secure=False, proxy=True))
    assert "proxy" in line.detail


async def test_a_port_that_does_not_speak_tls() -> None:
    async with listening() as port:
        (line,) = await encrypt(Place("127.0.0.1", port, secure=True))
    assert (line.verdict, line.data["code"]) == (Verdict.FAIL, "link-tls")


async def test_a_certificate_of_an_authority_nobody_knows_is_explained() -> None:
    """And one that is known and ends tomorrow is told in time."""
    certificate = pytest.importorskip("speakerd.embedded.certificate", reason="made by speakerd[local]")
    with certificate.throw_away(["localhost"]) as tls:
        async with listening(tls.context) as port:
            (refused,) = await encrypt(Place("localhost", port, secure=True))
            trusting = ssl.create_default_context(cafile=tls.trust)
            (taken,) = await encrypt(Place("127.0.0.1", port, secure=True), trusting)
    assert refused.verdict is Verdict.FAIL
    assert refused.data["verify_code"] in (18, 19, 20, 21)
    assert "update-ca-certificates" in str(refused.advice)
    assert taken.data["version"] == "TLSv1.3"
    soon = taken.data["valid_days"] < network.SOON_DAYS
    assert taken.verdict is (Verdict.WARN if soon else Verdict.PASS)


@pytest.mark.parametrize(("code", "said"), [(9, "clock is behind"), (10, "clock"), (62, "another host"), (99, "clock")])
def test_every_reason_has_its_advice(code: int, said: str) -> None:
    assert said in advice_for_certificate(code)
    assert CERTIFICATES[20] == CERTIFICATES[19]

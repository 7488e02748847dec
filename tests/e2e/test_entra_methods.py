"""Signing in without a person: by certificate, by the machine's own identity, by a key."""

from __future__ import annotations

import pytest

from tests.fakes import arc
from tests.fakes.authority_ca import app_certificate
from tests.fakes.entra_directory import CLIENT, TENANT
from tests.fakes.entra_stories import house
from tests.fakes.tap import Tap


async def test_a_certificate_signs_in(play, voice, tmp_path):
    """Its key stays where it is; where it has become readable for others there is no sign-in any more."""
    pem = app_certificate(tmp_path / "app.pem")
    auth = {"method": "certificate", "tenant": TENANT, "client": CLIENT, "certificate_file": str(pem)}
    async with house(play, voice, tmp_path, auth=auth, signed_in=False, start_daemon=False) as home:
        home.secrets += key_lines(pem.read_text())
        home.entra.directory.certificates.register(pem)
        await home.stage.start_daemon()
        await home.until(state="ok", account=None)
        await home.converses()
        assert home.gate.count(101) == 1
        assert home.seen.workers > 0


@pytest.mark.skipif(arc.why_not_here() is not None, reason=str(arc.why_not_here()))
async def test_the_machines_own_identity_signs_in(play, voice, tmp_path):
    """Azure Arc's agent gives a token for the content of its file."""
    with arc.Arc() as agent:
        auth = {"method": "managed_identity"}
        async with house(
            play, voice, tmp_path, auth=auth, environment=agent.environment, signed_in=False, start_daemon=False
        ) as home:
            agent.directory = home.entra.directory  # the gate asks there
            await home.stage.start_daemon()
            await home.until(state="ok", account=None)
            await home.converses()
            assert agent.journal.count("token") == 1


async def test_a_key_signs_in_as_before(play, voice, tmp_path):
    """No worker, no state folder, and the key is nowhere but in its file."""
    key = tmp_path / "key"
    key.write_text("5f3a9c0e71d84b26a7c1e5d94402bb18\n")
    key.chmod(0o600)
    auth = {"method": "api_key", "api_key_file": str(key)}
    async with house(play, voice, tmp_path, auth=auth, signed_in=False, start_daemon=False) as home:
        home.secrets.append(key.read_text().strip())
        async with Tap(str(home.service_url)) as tap:
            home.stage.url = tap.url
            await home.stage.start_daemon()
            await home.converses()
            assert await home.status() == {"method": "api_key"}
        assert tap.calls[0].headers["api-key"] == key.read_text().strip()
        assert home.seen.workers == 0
        assert not (home.state / "sign-in").exists()


def key_lines(pem: str) -> list[str]:
    """Return the lines of a private key."""
    return [line for line in pem.partition("PRIVATE KEY")[2].splitlines() if len(line) > 40 and "-" not in line]

"""No secret lies about. Every story of the sign-in is searched at its end (``House.check_leaks``); here is what for."""

from __future__ import annotations

import pytest

from tests.fakes.entra_stories import house, mode_of


async def test_what_is_searched_for_would_be_found(play, voice, tmp_path):
    """Workers were looked at while they lived; a secret is found where it belongs, and elsewhere it is a failure."""
    async with house(play, voice, tmp_path) as home:
        home.entra.fail("refresh", "consent", times=1)  # the server's text is not to be found either
        home.entra.directory.revoke_access_tokens()
        await home.wake()
        await home.until(code="auth-consent")
        home.secrets.append("Nobody consented to what the app asks.")
        home.entra.fail("refresh", "error-html", times=1)
        await home.wake()
        await home.until(code="auth-busy")
        home.secrets.append("We are having trouble.")
        await home.until(state="ok")

        assert home.seen.workers > 0, "no worker was seen"
        kept = home.state / "sign-in" / "account.json"
        needles = home.needles()
        assert [needle for needle in needles if needle in kept.read_text()] != []
        for place in ("daemon.log", "state/other.json", "trace.jsonl"):
            path = home.stage.directory / place
            before = path.read_bytes() if path.exists() else None
            path.write_bytes((before or b"") + needles[-1].encode())
            with pytest.raises(AssertionError, match=path.name):
                home.check_leaks()
            path.unlink() if before is None else path.write_bytes(before)
        home.seen.texts.add(needles[0])
        with pytest.raises(AssertionError, match="a process's arguments or environment"):
            home.check_leaks()
        home.seen.texts.discard(needles[0])
        kept.chmod(0o640)
        with pytest.raises(AssertionError):
            home.check_leaks()
        kept.chmod(0o600)
        for path in home.stage.directory.rglob("*.jsonl"):
            assert mode_of(path) == 0o600

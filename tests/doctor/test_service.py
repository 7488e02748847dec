"""Who we are to the service, and one question to it: against a scripted server, and judged from what was told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from speakerd.core.errors import AuthError, LinkError, Remedy, remedy_for_http
from speakerd.core.settings import Settings
from speakerd.doctor.report import Line, Verdict, failed, passed
from speakerd.doctor.service import Talk, _signed_in, judge, look_at_sign_in, or_by_daemon, over_budget
from speakerd.identity import Identity
from speakerd.realtime.usage import Usage

USAGE = Usage(text_in=100, audio_in=0, cached_text_in=0, cached_audio_in=0, text_out=10, audio_out=20)
GOOD: dict[str, Any] = {
    "opened_ms": 80.0,
    "updated_ms": 20.0,
    "first_audio_ms": 400.0,
    "spoken_ms": 900,
    "usage": USAGE,
}
AZURE = Settings.model_validate(
    {"service": {"provider": "azure", "endpoint": "https://x.openai.azure.com"}, "auth": {"method": "api_key"}}
)


def lines(**told: Any) -> dict[str, Line]:
    return {line.check: line for line in judge(Talk(**told), AZURE)}


def http(status: int) -> LinkError:
    return LinkError(f"link-http-{status}", "as the service says", remedy_for_http(status))


def test_a_good_talk_passes_and_says_what_it_cost() -> None:
    found = lines(**GOOD)
    assert [line.verdict for line in found.values()] == [Verdict.PASS] * 3
    assert found["first-audio"].data["usd"] > 0
    assert "USD (list prices of gpt-realtime" in found["first-audio"].detail


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (http(400), "realtime model"),
        (http(401), "speakerd login"),
        (http(403), "Cognitive Services OpenAI User"),
        (http(404), "deployment"),
        (http(429), "quota"),
        (http(503), "try again"),
        (AuthError("auth-refused", "refused", Remedy.OPERATOR), "Cognitive Services OpenAI User"),
        (AuthError("auth-new", "something", Remedy.REAUTHENTICATE), "speakerd login"),
        (LinkError("link-tls", "no", Remedy.OPERATOR), "line tls"),
        (LinkError("link-timeout", "no", Remedy.RETRY), "firewall"),
    ],
)
def test_a_door_that_stays_shut_is_explained(failure: LinkError, advice: str) -> None:
    found = lines(failure=failure)
    assert list(found) == ["session"]
    assert found["session"].verdict is Verdict.FAIL
    assert found["session"].data["code"] == failure.code
    assert advice in str(found["session"].advice)


def test_a_configuration_that_is_refused() -> None:
    """Wholly, or in part: then a conversation goes on, with less."""
    refused = LinkError("session-refused", "no", Remedy.OPERATOR)
    found = lines(opened_ms=80.0, failure=refused, refusals=["unknown_parameter at session.x: no"])
    assert found["update"].verdict is Verdict.FAIL
    assert "session.x" in found["update"].detail
    found = lines(**GOOD, degraded=True, refusals=["invalid_value at session.voice: no"])
    assert found["update"].verdict is Verdict.WARN
    assert "session.voice" in found["update"].detail
    assert found["first-audio"].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("told", "verdict", "detail"),
    [
        (GOOD | {"first_audio_ms": 3000.0}, Verdict.WARN, "3000 ms"),
        (GOOD | {"first_audio_ms": None}, Verdict.FAIL, "without a sound"),
        (GOOD | {"usage": None}, Verdict.PASS, "0.9 s of speech"),
        (
            GOOD | {"failure": LinkError("service-error", "insufficient_quota: no", Remedy.OPERATOR)},
            Verdict.FAIL,
            "quota",
        ),
    ],
)
def test_the_first_sound(told: dict[str, Any], verdict: Verdict, detail: str) -> None:
    line = lines(**told)["first-audio"]
    assert line.verdict is verdict
    assert detail in line.detail


def test_a_spent_budget_is_no_failure() -> None:
    assert over_budget(1.0).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        ({"method": "none"}, "none is needed"),
        ({"method": "api_key"}, "a key is there"),
        (
            {"method": "device_code", "account": "anna@x.org", "token_valid_for_s": 60.0},
            "anna@x.org by device_code, until",
        ),
        ({"method": "managed_identity", "account": None, "token_valid_for_s": None}, "the machine's own identity"),
    ],
)
def test_who_we_are(status: dict[str, Any], detail: str) -> None:
    line = _signed_in(status, signs=False)
    assert line.verdict is Verdict.PASS
    assert detail in line.detail


@pytest.mark.parametrize(
    ("sign_in", "verdict"),
    [
        ({"method": "device_code", "state": "ok", "code": None, "account": "anna"}, Verdict.WARN),
        ({"method": "api_key"}, Verdict.WARN),
        ({"method": "device_code", "state": "sign_in_required", "code": "auth-signed-out"}, Verdict.FAIL),
        ({"method": "device_code", "state": "starting", "code": None}, Verdict.FAIL),
        (None, Verdict.FAIL),
    ],
)
def test_a_sign_in_that_only_the_daemon_may_use_is_no_failure(sign_in: dict[str, Any] | None, verdict: Verdict) -> None:
    ours = failed("token", "auth-signed-out: nobody", "speakerd login", code="auth-signed-out")
    line = or_by_daemon(ours, {"sign_in": sign_in})
    assert line.verdict is verdict
    assert "auth-signed-out: nobody" in line.detail
    assert or_by_daemon(ours, None) is ours


def test_our_own_sign_in_needs_no_daemons() -> None:
    ours = passed("token", "anna")
    assert or_by_daemon(ours, {"sign_in": {"method": "api_key"}}) is ours


async def test_a_key_that_is_missing_is_told(tmp_path) -> None:
    settings = Settings.model_validate({"auth": {"method": "api_key", "api_key_file": str(tmp_path / "none")}})
    loop = asyncio.get_running_loop()
    identity = Identity(settings, {}, on_change=lambda _: None, call_at=loop.call_at, state=tmp_path)
    (line,) = await look_at_sign_in(identity)
    assert line.verdict is Verdict.FAIL
    assert line.data["code"].startswith("auth-key")

"""Who we are, whether the service lets us in, and how soon it speaks: one short question, by the link's own code."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from speakerd.core.errors import LinkError, Remedy, SpeakerdError
from speakerd.core.settings import Settings
from speakerd.core.spend import Usage, estimate, rate_of
from speakerd.doctor.advice import advice_for
from speakerd.doctor.report import Line, Verdict, failed, passed, warned
from speakerd.identity import Identity
from speakerd.ports import Credentials
from speakerd.realtime import server_events as wire_events
from speakerd.realtime import wire
from speakerd.realtime.dialler import SdkDialler
from speakerd.realtime.endpoint import Endpoint
from speakerd.realtime.session import Session
from speakerd.realtime.sockets import CONNECT_TIMEOUT_S, Socket, open_socket
from speakerd.realtime.spec import SessionSpec
from speakerd.realtime.usage import Usage as ReportedUsage

QUESTION = "Say hello."
"""The shortest there is: some 10 tokens to read besides the instructions, a second of speech (chosen)."""

TOKEN_TIMEOUT_S = 45.0
"""How long a first token may take: as long as an attempt may, and the clock may have to be set (guess)."""

UPDATE_TIMEOUT_S = 10.0
"""How long the service may take to take the configuration (guess: it answers within a tenth of a second)."""

ANSWER_TIMEOUT_S = 25.0
"""How long it may take to have spoken (guess: a second of speech takes two)."""

SLOW_AUDIO_MS = 2000.0
"""A first sound that comes later is a long silence after a question (guess)."""

Note = Callable[[ReportedUsage], None]


@dataclass(slots=True)
class Talk:
    """What happened on one connection; the fields fill as it goes."""

    opened_ms: float | None = None
    """How long the handshake took."""

    updated_ms: float | None = None
    """How long the service took to take our configuration."""

    refusals: list[str] = field(default_factory=list)
    """What it said against it."""

    degraded: bool = False
    """It took only the minimum."""

    first_audio_ms: float | None = None
    """From the question to the first sound of the answer."""

    spoken_ms: int = 0
    """Length of the answer."""

    usage: ReportedUsage | None = None
    """What it took."""

    failure: SpeakerdError | None = None
    """What ended it before its end."""


async def look_at_sign_in(identity: Identity) -> list[Line]:
    """Wait for something to sign a handshake with, and say who we are with it, and until when."""
    try:
        await identity.ready(TOKEN_TIMEOUT_S)
        headers = await identity.credentials.headers()
    except SpeakerdError as error:
        return [failed("token", f"{error.code}: {error}", advice_for(error), code=error.code)]
    return [_signed_in(identity.status(), signs=bool(headers))]


def or_by_daemon(line: Line, status: Mapping[str, Any] | None) -> Line:
    """Return the line on our sign-in, which is no failure where the running daemon has one that we may not use.

    Args:
        line: What came of ours.
        status: What the daemon says; None: there is none.
    """
    theirs = (status or {}).get("sign_in")
    if (
        line.verdict is not Verdict.FAIL
        or not theirs
        or theirs.get("code") is not None
        or theirs.get("state", "ok") != "ok"
    ):
        return line
    who = theirs.get("account") or theirs.get("method", "somehow")
    advice = "sudo speakerd doctor uses the service's own; a key that systemd hands over (LoadCredential=) only it has"
    return warned("token", f"the daemon is signed in ({who}), you are not: {line.detail}", advice, **line.data)


def _signed_in(status: Mapping[str, Any], *, signs: bool) -> Line:
    method = status["method"]
    if method == "none" and not signs:
        return passed("token", "none is needed (auth.method: none)", method=method)
    if method == "api_key":
        return passed("token", "a key is there; whether it is the right one, the line session tells", method=method)
    left_s, account = status.get("token_valid_for_s"), status.get("account")
    until = None if left_s is None else dt.datetime.now().astimezone() + dt.timedelta(seconds=left_s)
    who = account or "the machine's own identity"
    when = "" if until is None else f", until {until:%H:%M}, renewed before by itself"
    return passed("token", f"{who} by {method}{when}", method=method, account=account, valid_for_s=left_s)


async def talk(endpoint: Endpoint, credentials: Credentials, spec: SessionSpec, note: Note) -> Talk:
    """Open a session and ask one question.

    Args:
        endpoint: The service.
        credentials: Who we are.
        spec: How a session should be; without turn detection, since nobody speaks.
        note: Takes what it cost.

    Returns:
        What happened; a failure is a part of that.
    """
    told = Talk()
    dialler = SdkDialler(endpoint)
    try:
        await dialler.warm()
        begun_s = time.monotonic()
        connection = await _open(dialler, credentials)
        told.opened_ms = _since_ms(begun_s)
        try:
            await _converse(connection, Session(dataclasses.replace(spec, turn_detection=None)), told, note)
        finally:
            await connection.close()
    except SpeakerdError as error:
        told.failure = error
    return told


async def _open(dialler: SdkDialler, credentials: Credentials) -> Socket:
    """Open a socket; where the credential is refused, once more with a fresh one, as a conversation does."""
    try:
        return await open_socket(dialler, credentials, CONNECT_TIMEOUT_S)
    except LinkError as error:
        if error.remedy is not Remedy.REAUTHENTICATE:
            raise
    return await open_socket(dialler, credentials, CONNECT_TIMEOUT_S)


async def _converse(connection: Socket, session: Session, told: Talk, note: Note) -> None:
    begun_s = time.monotonic()
    try:
        async with asyncio.timeout(UPDATE_TIMEOUT_S):
            await connection.send(session.begin())
            while not session.up:
                await _receive(connection, session, told, note)
    except TimeoutError as error:
        raise LinkError("link-timeout", "the service never confirmed the session", Remedy.RETRY) from error
    told.updated_ms, told.degraded = _since_ms(begun_s), session.degraded
    await connection.send(wire.item_create_text(QUESTION, "doctor_item"))
    await connection.send(wire.response_create("doctor_response"))
    begun_s = time.monotonic()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while not isinstance(event := await _receive(connection, session, told, note), wire_events.ResponseDone):
                if told.spoken_ms and told.first_audio_ms is None:
                    told.first_audio_ms = _since_ms(begun_s)
                if isinstance(event, wire_events.ServiceError):
                    raise LinkError("service-error", f"{event.code}: {event.message}", Remedy.OPERATOR)
    except TimeoutError as error:
        raise LinkError("link-timeout", "the service did not answer the question", Remedy.RETRY) from error
    if event.status != "completed":
        raise LinkError("service-error", f"{event.code}: {event.message or event.status}", Remedy.OPERATOR)


async def _receive(connection: Socket, session: Session, told: Talk, note: Note) -> wire_events.ServerEvent:
    """Take one event: what it means for the session is the session's business, as in a conversation."""
    event = wire.decode(await connection.recv())
    outcome = session.receive(event)
    if outcome.usage is not None:
        told.usage = outcome.usage
        note(outcome.usage)
    if isinstance(event, wire_events.ServiceError) and not session.up:
        told.refusals.append(f"{event.code} at {event.param}: {event.message}")
    for command in outcome.commands:
        await connection.send(command)
    if outcome.lost is not None:
        raise outcome.lost
    if outcome.audio is not None:
        told.spoken_ms += len(outcome.audio.pcm) // 48
    return event


def judge(told: Talk, settings: Settings) -> list[Line]:
    """Return the verdicts on a talk.

    Args:
        told: What happened.
        settings: The configuration; says what it costs.
    """
    failure = told.failure
    if told.opened_ms is None:
        assert failure is not None
        return [_not_opened(failure)]
    lines = [passed("session", f"opened in {told.opened_ms:.0f} ms", opened_ms=told.opened_ms)]
    if told.updated_ms is None:
        assert failure is not None
        refused = "; ".join(told.refusals) or f"{failure.code}: {failure}"
        return [
            *lines,
            failed("update", f"the configuration is not taken: {refused}", advice_for(failure), code=failure.code),
        ]
    if told.degraded:
        refused = "; ".join(told.refusals)
        advice = "change what it names (assistant.voice, service.session, turn_detection …), or leave it out"
        lines.append(warned("update", f"the service refuses a part: {refused}", advice, code="session-reduced"))
    else:
        lines.append(
            passed("update", f"the configuration is taken, in {told.updated_ms:.0f} ms", updated_ms=told.updated_ms)
        )
    return [*lines, _first_audio(told, settings)]


def _not_opened(failure: SpeakerdError) -> Line:
    return failed("session", f"{failure.code}: {failure}", advice_for(failure), code=failure.code)


def _first_audio(told: Talk, settings: Settings) -> Line:
    if told.failure is not None:
        return failed(
            "first-audio", f"{told.failure.code}: {told.failure}", advice_for(told.failure), code=told.failure.code
        )
    if told.first_audio_ms is None:
        advice = "does service.session ask for text only? Take output_modalities out of it"
        return failed("first-audio", "the answer came without a sound", advice, code="service-error")
    figures: dict[str, Any] = {"first_audio_ms": told.first_audio_ms, "spoken_ms": told.spoken_ms}
    detail = f"{told.first_audio_ms:.0f} ms after the question, {told.spoken_ms / 1000:.1f} s of speech"
    if told.usage is not None:
        local = settings.service.provider == "embedded"
        rate = rate_of(settings.service.model, settings.budget.prices, local=local)
        usd = estimate(Usage(**asdict(told.usage)), rate.prices)
        figures["usd"] = round(usd, 6)
        detail += f", for {usd:.4f} USD ({rate.source})"
    if told.first_audio_ms > SLOW_AUDIO_MS:
        advice = "slow now: is the network busy (line tcp)? On Azure a region that is nearer answers sooner"
        return warned("first-audio", detail, advice, **figures)
    return passed("first-audio", detail, **figures)


def over_budget(daily_usd: float | None) -> Line:
    """Return the line for a question that was not asked, since today's money is spent."""
    detail = f"not asked: today's budget of {daily_usd} USD is spent"
    return warned("session", detail, "wait until tomorrow, or raise budget.daily_usd", code="over-budget")


def _since_ms(begun_s: float) -> float:
    return round(1000 * (time.monotonic() - begun_s), 1)

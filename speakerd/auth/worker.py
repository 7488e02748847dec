"""The process that signs in: reads one request, says what comes of it, and ends.

    python -m speakerd.auth.worker

is started by ``process.py`` with one line of JSON on its input (``request.py``). It says one line of JSON an event:

- ``{"event": "code", "user_code", "verification_uri", "expires_in_s"}``: somebody is to enter it there
- ``{"event": "token", "token", "expires_in_s", "refresh_in_s", "account"}``: times from now
- ``{"event": "saved"}`` or ``{"event": "not_saved", "reason"}``: whether a restart will know of it
- ``{"event": "fault", …}``: the fields of ``Fault`` that are known

Exit code 0 after a token, 1 after a fault. Secrets are in its memory and on that pipe, nowhere else.
"""

from __future__ import annotations

import contextlib
import ctypes
import datetime as dt
import errno
import json
import logging
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from speakerd.auth.cache import Account, AccountFile
from speakerd.auth.certificate import read_certificate
from speakerd.auth.checks import ARC_ENVIRONMENT, MissingError, find_missing
from speakerd.auth.library import Attempt, Grant
from speakerd.auth.private_home import cache_in, places, private_home
from speakerd.auth.request import Request, fault_fields
from speakerd.core.sign_in_fault import Fault

Say = Callable[[str, Mapping[str, Any]], None]
"""Says one event: its name and its fields."""

_MAX_REQUEST_CHARS = 65_536
"""No request is longer (guess)."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
"""Of prctl (specified)."""

_DATA_BYTES_MAX = 128 * 1024 * 1024
"""So much memory it may take: an answer without end would fill a Pi's (measured: a sign-in does with 30 MB of data)."""

_STARTS_OTHERS = {"azure_cli", "default"}
"""Ways of signing in that may start a program with a need for memory of its own: the Azure CLI."""

_FULL, _BUSY = "disk-full", "busy"

_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.ETIMEDOUT: _BUSY,
    errno.EROFS: "read-only",
    errno.EACCES: "not-allowed",
    errno.EPERM: "not-allowed",
}


def main() -> int:
    """Do what is asked; return the exit code."""
    say = _private_output()
    _harden()
    try:
        request = Request.from_json(sys.stdin.readline(_MAX_REQUEST_CHARS))
    except ValueError as error:
        say("fault", fault_fields(Fault(type(error).__name__)))
        return 1
    if request.method not in _STARTS_OTHERS:
        _limit(resource.RLIMIT_DATA, _DATA_BYTES_MAX)
    return serve(request, os.environ, say)


def serve(request: Request, environment: Mapping[str, str], say: Say) -> int:
    """Do what is asked, and say what came of it.

    Args:
        request: What is wanted.
        environment: The environment's variables.
        say: Where events go.

    Returns:
        0 after a token, 1 after a fault.
    """
    missing = find_missing(request, environment)
    fault = None if missing is None else Fault("", missing=missing)
    try:
        if missing is None:
            fault = (_with_code if request.method == "device_code" else _without_code)(request, environment, say)
    except MissingError as error:
        fault = Fault("", missing=error.key)
    if fault is not None:
        say("fault", fault_fields(fault))
    return 0 if fault is None else 1


def _without_code(request: Request, environment: Mapping[str, str], say: Say) -> Fault | None:
    """Fetch a token where nothing has to be kept."""
    certificate = None
    if request.method == "certificate":
        certificate = read_certificate(request.certificate_file, environment, dt.datetime.now(dt.UTC))
    if request.method == "managed_identity":
        for name, value in ARC_ENVIRONMENT.items():  # a login shell has not inherited them
            os.environ.setdefault(name, value)
    if request.method in ("managed_identity", "default"):
        _pass_by_proxies()
    attempt = Attempt(request, environment, certificate=certificate)
    try:
        _say_token(say, attempt.fetch())
    except Exception as error:  # noqa: BLE001 - a process's outermost line: whatever the library raises is a fault
        return attempt.fault(error)
    return None


def _pass_by_proxies() -> None:
    """Let nobody else be asked for what the Azure Arc agent on this machine gives, nor see the key that we show it."""
    before = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")  # as the library chooses
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join([*([before] if before else []), "localhost", "127.0.0.1"])


def _with_code(request: Request, environment: Mapping[str, str], say: Say) -> Fault | None:
    """Fetch a token for a person who has signed in with a code, or does so now."""
    file = AccountFile(request.state)
    try:
        kept = file.load()
        if request.do == "login":
            file.prove_room()
    except OSError as error:
        raise MissingError({_FULL: "state-full", _BUSY: "state-busy"}.get(_reason(error), "state")) from error
    account = kept.of_client(request.client) if request.do == "fetch" else Account()
    if request.do == "fetch" and account.record is None:
        return Fault("AuthenticationRequiredError")  # as the library would say, after a second of work
    copy = account.without_old_tokens(time.time(), force=request.force)
    attempt = Attempt(request, environment, record=account.record)
    try:
        with private_home(places(environment, request.state), copy.cache) as home:
            os.environ["HOME"] = str(home)  # the library looks for its cache there
            if request.do == "login":
                record = attempt.login(_code_sayer(say))
                _keep(file, Account(record, cache_in(home)), None, say)
                _say_token(say, attempt.fetch())
            else:
                _say_token(say, attempt.fetch())
                _keep(file, Account(kept.record, cache_in(home)), kept, say)
    except Exception as error:  # noqa: BLE001 - a process's outermost line: whatever the library raises is a fault
        return attempt.fault(error)
    return None


def _keep(file: AccountFile, new: Account, old: Account | None, say: Say) -> None:
    """Put what has changed on disk; a token is good without that."""
    if old is not None and new.is_as(old):
        return
    try:
        saved = file.save(new, instead_of=old)
    except OSError as error:
        say("not_saved", {"reason": _reason(error)})
    else:
        say("saved", {}) if saved else say("not_saved", {"reason": "superseded"})


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0, "input-output")


def _say_token(say: Say, grant: Grant) -> None:
    say(
        "token",
        {
            "token": grant.secret,
            "expires_in_s": grant.expires_in_s,
            "refresh_in_s": grant.refresh_in_s,
            "account": grant.account,
        },
    )


def _code_sayer(say: Say) -> Callable[[str, str, float], None]:
    def on_code(user_code: str, verification_uri: str, expires_in_s: float) -> None:
        say("code", {"user_code": user_code, "verification_uri": verification_uri, "expires_in_s": expires_in_s})

    return on_code


def _private_output() -> Say:
    """Keep our output to ourselves: what a library prints goes to the error output."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(event: str, fields: Mapping[str, Any]) -> None:
        output.write(json.dumps({"event": event, **fields}) + "\n")
        output.flush()

    return say


def _harden() -> None:
    """Leave no memory behind in a crash, let nobody look in, write for nobody else, and do not outlive who asked."""
    os.umask(0o077)
    _limit(resource.RLIMIT_CORE, 0)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    logging.disable(logging.CRITICAL)  # the library logs a server's text with every failure
    warnings.simplefilter("ignore")


def _limit(what: int, most: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it, and has its own limit then
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    sys.exit(main())

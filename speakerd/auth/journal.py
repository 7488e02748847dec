"""What the journal says of signing in: facts, never a name, a token or a server's text."""

from __future__ import annotations

import logging

from speakerd.core.sign_in import Verdict
from speakerd.core.sign_in_fault import Fault
from speakerd.core.story import Kind, story

_log = logging.getLogger("speakerd.auth")


def write_down(verdict: Verdict | None, fault: Fault | None) -> None:
    """Log a change of how it stands.

    Args:
        verdict: How it stands now; None: all is well.
        fault: What has led to it, where that was an attempt.
    """
    if verdict is None:
        _log.info("sign-in: ok", extra=story(Kind.SIGNED_IN))
        return
    facts = {
        "error": fault and fault.error,
        "cause": fault and " ".join(fault.causes),
        "http": fault and fault.http_status,
        "AADSTS": fault and " ".join(map(str, fault.aadsts)),
        "correlation": fault and fault.correlation_id,
    }
    known = "".join(f", {name} {value}" for name, value in facts.items() if value)
    told = story(Kind.SIGN_IN_TROUBLE, state=verdict.state.value, code=verdict.code)
    _log.warning("sign-in: %s, %s%s", verdict.state.value, verdict.code, known, extra=told)

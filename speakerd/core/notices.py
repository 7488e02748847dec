"""What the speaker says when something is wrong: one sentence for each thing that a person can do about it.

Which sentence, and whether it is said again. The sentences themselves are sound files; who plays them is the
loudspeaker's side.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

AGAIN_AFTER_S = 600.0
"""The same sentence is not said again sooner; a short sound stands for it (guess: then somebody else may ask)."""


class Notice(enum.Enum):
    """A sentence, by its cause; the value names its file."""

    OFFLINE = "offline"
    """The service cannot be reached, or nothing comes from it any more."""

    SIGNED_OUT = "signed-out"
    """Whoever signs us in does not know us any more."""

    REFUSED = "refused"
    """The service was reached and does not answer as it should."""

    CLOCK = "clock"
    """The clock is so wrong that no certificate is valid."""

    MISCONFIGURED = "misconfigured"
    """Signing in cannot work before somebody changes something."""

    OVER_BUDGET = "over-budget"
    """The money for today is spent."""

    NO_MICROPHONE = "no-microphone"
    """The microphone is gone."""

    DEAF = "deaf"
    """The microphone is there and hears nothing."""

    MUTED = "muted"
    """The owner has muted the microphone."""


@dataclass(frozen=True, slots=True)
class Said:
    """The last sentence, so that it is not said twice in a row."""

    notice: Notice
    """Which one."""

    at_s: float
    """When, on the monotonic clock."""

    asked: bool = True
    """Somebody had asked for something; else there may have been nobody to hear it."""


SERVICE_SILENT = "link-timeout"
"""The code of a service that does not answer, or no longer: noticed seconds after it happened."""

_UNREACHED = ("link-refused", SERVICE_SILENT, "link-dns", "link-tls", "link-lost", "link-closed-", "reply-")
_UNKNOWN_TO_THEM = ("link-http-401", "link-http-403")
"""With a key or a token that is as good as any: the role, the resource or the key is not what it should be."""

SIGN_IN_CODES = "auth-"
"""How every code of the sign-in begins."""

ABOUT_SIGN_IN = frozenset({Notice.SIGNED_OUT, Notice.CLOCK, Notice.MISCONFIGURED})
"""Sentences that a sign-in that works makes untrue."""

_OF_SIGN_IN = {
    "auth-signed-out": Notice.SIGNED_OUT,
    "auth-mfa": Notice.SIGNED_OUT,
    "auth-az-signed-out": Notice.SIGNED_OUT,
    "auth-code-expired": Notice.SIGNED_OUT,
    "auth-declined": Notice.SIGNED_OUT,
    "auth-no-network": Notice.OFFLINE,
    "auth-tls": Notice.OFFLINE,
    "auth-proxy": Notice.OFFLINE,
    "auth-clock": Notice.CLOCK,
    "auth-busy": Notice.REFUSED,
    "auth-arc-silent": Notice.REFUSED,
    "auth-az-broken": Notice.REFUSED,
    "auth-state-busy": Notice.REFUSED,
    "auth-failed": Notice.REFUSED,
    "auth-starting": Notice.REFUSED,
}
"""The sentences for the codes of the sign-in; every other of them is for whoever set the speaker up."""


def notice_of(code: str | None) -> Notice:
    """Return the sentence for an error's stable code."""
    if code is None or code.startswith(_UNREACHED):
        return Notice.OFFLINE
    if code.startswith(SIGN_IN_CODES):
        return _OF_SIGN_IN.get(code, Notice.MISCONFIGURED)
    return Notice.MISCONFIGURED if code.startswith(_UNKNOWN_TO_THEM) else Notice.REFUSED


def may_say(said: Said | None, now: Said) -> bool:
    """Return whether a sentence is said now, or only hinted at by a sound because it was the last one said."""
    another = said is None or said.notice is not now.notice or now.at_s - said.at_s >= AGAIN_AFTER_S
    return another or (now.asked and said is not None and not said.asked)

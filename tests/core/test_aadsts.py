"""Entra's error codes, and what they mean to the owner of a speaker."""

from __future__ import annotations

import pytest

from speakerd.core.aadsts import MEANINGS
from speakerd.core.sign_in import SignInState

EXPECTED = {
    50173: ("sign_in_required", "signed-out"),  # the account's sign-ins were revoked
    700082: ("sign_in_required", "signed-out"),  # not used for ninety days
    50076: ("sign_in_required", "mfa"),
    50079: ("sign_in_required", "mfa"),
    53003: ("misconfigured", "blocked"),
    65001: ("misconfigured", "consent"),
    7000218: ("misconfigured", "public-client"),
    700016: ("misconfigured", "app"),
    50020: ("misconfigured", "account"),
    90002: ("misconfigured", "tenant"),
    700027: ("misconfigured", "certificate-unknown"),
    700024: ("clock", "clock"),
    70020: ("sign_in_required", "code-expired"),
    65004: ("sign_in_required", "declined"),
    50196: ("degraded", "busy"),
    530035: ("misconfigured", "blocked"),  # security defaults
    530036: ("misconfigured", "blocked"),  # Conditional Access against sign-ins that began with a code, at a refresh
    530003: ("misconfigured", "blocked"),  # only managed devices
    530084: ("misconfigured", "blocked"),  # only tokens that are bound to a device
    500200: ("misconfigured", "account"),  # a personal account
    500212: ("misconfigured", "account"),  # an outbound policy of the tenant
    9002331: ("misconfigured", "app"),  # an app for personal accounts
    500014: ("misconfigured", "scope"),  # the tenant's service is switched off
    1000502: ("clock", "clock"),  # the certificate is valid now by our clock, not by Entra's
    7000277: ("misconfigured", "certificate-unknown"),  # it was revoked
}
"""The codes that people with a device meet most."""


@pytest.mark.parametrize(("number", "expected"), EXPECTED.items())
def test_a_code_leads_to_its_state(number: int, expected: tuple[str, str]) -> None:
    """What to do follows from the number alone."""
    meaning = MEANINGS[number]
    assert (meaning.state, meaning.code) == expected


@pytest.mark.parametrize("number", MEANINGS)
def test_every_meaning_can_be_shown(number: int) -> None:
    """The state is one of ours, the code is kebab-case, and the advice says what to do after a colon or a semicolon."""
    meaning = MEANINGS[number]
    assert SignInState(meaning.state) not in (SignInState.OK, SignInState.STARTING)
    assert meaning.code == meaning.code.lower().replace(" ", "-").strip("-")
    assert any(mark in meaning.advice for mark in ":;,")
    assert not meaning.advice.endswith(".")


def test_only_a_lost_sign_in_asks_for_a_login() -> None:
    """``speakerd login`` is the advice where signing in again helps, and nowhere else."""
    for meaning in MEANINGS.values():
        assert ("run speakerd login" in meaning.advice) == (meaning.state == "sign_in_required")


def test_one_code_has_one_state() -> None:
    """The troubleshooting table has one row a code."""
    states: dict[str, set[str]] = {}
    for meaning in MEANINGS.values():
        states.setdefault(meaning.code, set()).add(meaning.state)
    assert all(len(found) == 1 for found in states.values())

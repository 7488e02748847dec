"""How it stands with our signing in: verdicts with a stable code, and what to do."""

from __future__ import annotations

import re

import pytest

from speakerd.core import aadsts, sign_in
from speakerd.core.errors import Remedy
from speakerd.core.sign_in import MISSING, SignIn, SignInState, Verdict, of_meaning

VERDICTS = [*MISSING.values(), *(value for value in vars(sign_in).values() if isinstance(value, Verdict))]


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.code)
def test_every_verdict_has_a_code_and_says_what_to_do(verdict: Verdict) -> None:
    """The code is a table's key in the README; what is wrong and what to do are told apart."""
    assert re.fullmatch("auth(-[a-z]+)+", verdict.code)
    assert any(mark in verdict.message for mark in ":;,")


def test_a_meaning_of_entras_is_a_verdict() -> None:
    """Its state, its code and its advice."""
    verdict = of_meaning(aadsts.SCOPE)
    assert (verdict.state, verdict.code, verdict.message) == (
        SignInState(aadsts.SCOPE.state),
        f"auth-{aadsts.SCOPE.code}",
        aadsts.SCOPE.advice,
    )


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("starting", Remedy.RETRY),
        ("ok", Remedy.RETRY),
        ("degraded", Remedy.RETRY),
        ("no_network", Remedy.RETRY),
        ("clock", Remedy.RETRY),
        ("sign_in_required", Remedy.REAUTHENTICATE),
        ("misconfigured", Remedy.OPERATOR),
    ],
)
def test_the_state_decides_the_remedy(state: str, remedy: Remedy) -> None:
    """What mends itself is tried again, a lost sign-in wants a person, a wrong setting another one."""
    error = Verdict(SignInState(state), "auth-x", "something: do this").error
    assert (error.code, str(error), error.remedy) == ("auth-x", "something: do this", remedy)


def test_how_it_stands_follows_from_the_last_attempt() -> None:
    """No verdict is a good sign."""
    assert SignIn(None, "ada@example.com").state is SignInState.OK
    assert SignIn(MISSING["tenant"]).state is SignInState.MISCONFIGURED

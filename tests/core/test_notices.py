"""Which sentence tells of a trouble, and when it is said again."""

from __future__ import annotations

import pytest

from speakerd.core.aadsts import MEANINGS
from speakerd.core.notices import AGAIN_AFTER_S, Notice, Said, may_say, notice_of


@pytest.mark.parametrize(
    ("code", "notice"),
    [
        (None, Notice.OFFLINE),
        ("link-dns", Notice.OFFLINE),
        ("link-closed-1006", Notice.OFFLINE),
        ("auth-key-missing", Notice.MISCONFIGURED),
        ("auth-signed-out", Notice.SIGNED_OUT),
        ("auth-no-network", Notice.OFFLINE),
        ("auth-proxy", Notice.OFFLINE),
        ("auth-proxy-address", Notice.MISCONFIGURED),
        ("auth-clock", Notice.CLOCK),
        ("auth-busy", Notice.REFUSED),
        ("auth-blocked", Notice.MISCONFIGURED),
        ("link-http-403", Notice.MISCONFIGURED),
        ("link-http-404", Notice.REFUSED),
        ("insufficient_quota", Notice.REFUSED),
        ("response-failed", Notice.REFUSED),
        ("reply-timeout", Notice.OFFLINE),
        ("reply-stalled", Notice.OFFLINE),
    ],
)
def test_every_code_has_its_sentence(code, notice):
    """What a person can do about it decides."""
    assert notice_of(code) is notice


def test_a_sign_in_that_a_person_must_renew_has_the_sentence_that_says_so():
    """By Entra's own codes: the sentence is the one of the state the code leads to."""
    for meaning in MEANINGS.values():
        notice = notice_of(f"auth-{meaning.code}")
        assert (notice is Notice.SIGNED_OUT) == (meaning.state == "sign_in_required"), meaning
        assert (notice is Notice.MISCONFIGURED) == (meaning.state == "misconfigured"), meaning


def test_the_last_sentence_is_not_repeated():
    """Another one is said at once, the same one only after a while."""
    assert may_say(None, Said(Notice.OFFLINE, 0.0))
    said = Said(Notice.OFFLINE, 100.0)
    assert may_say(said, Said(Notice.MUTED, 100.0))
    assert not may_say(said, Said(Notice.OFFLINE, 100.0 + AGAIN_AFTER_S - 1))
    assert may_say(said, Said(Notice.OFFLINE, 100.0 + AGAIN_AFTER_S))


def test_who_asks_is_told_what_was_said_to_an_empty_room():
    """Once; and what nobody asked for is not said twice."""
    unasked = Said(Notice.SIGNED_OUT, 100.0, asked=False)
    assert may_say(unasked, Said(Notice.SIGNED_OUT, 101.0))
    assert not may_say(unasked, Said(Notice.SIGNED_OUT, 101.0, asked=False))
    assert not may_say(Said(Notice.SIGNED_OUT, 101.0), Said(Notice.SIGNED_OUT, 102.0))

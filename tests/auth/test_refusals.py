"""Which tokens the service has refused, and what that says of the next."""

from __future__ import annotations

from speakerd.auth.refusals import FRESH_S, Refusals


def test_another_token_may_fare_better_than_the_first() -> None:
    """Than a second one that was fresh it does not."""
    refusals = Refusals()
    assert refusals.note("first", 10.0)
    assert not refusals.is_of_all
    assert not refusals.note("second", 1.0)
    assert refusals.is_of_all
    assert refusals.note("a day later", FRESH_S)
    assert refusals.is_of_all, "that is not over before one is accepted"


def test_they_are_over_when_a_token_is_accepted() -> None:
    """What was refused stays refused."""
    refusals = Refusals()
    refusals.note("first", 0.0)
    refusals.note("second", 0.0)
    refusals.end()
    assert not refusals.is_of_all
    assert refusals.note("third", 0.0)
    assert refusals.include("first")
    assert not refusals.include("fourth")


def test_where_nothing_else_can_be_had_all_are_refused() -> None:
    """An agent may give the same token again and again."""
    refusals = Refusals()
    refusals.note("only", 0.0)
    refusals.note_same()
    assert refusals.is_of_all


def test_no_token_is_kept() -> None:
    """Only what it is known again by."""
    refusals = Refusals()
    refusals.note("the-secret", 0.0)
    assert "the-secret" not in repr(vars(refusals))

"""The life of a sign-in as the person in the room knows it: signed out, signed in, revoked, signed in again.

Tokens live for seconds here. What is measured is printed: ``-s`` shows it.
"""

from __future__ import annotations

import pytest

from speakerd.core.notices import Notice
from speakerd.demo.process import StageError
from tests.fakes.entra_stories import SIGNED_OUT, WAITING, house
from tests.fakes.stories import until_line

SHORT_LIFE_S = 6
"""Of a token whose end the story waits for."""


async def test_a_sign_in_that_ends_is_told_and_a_new_one_counts_at_once(play, voice, tmp_path):
    """Nobody signed in, then somebody, then revoked, then signed in again: each is heard, shown and over in time."""
    async with house(play, voice, tmp_path, signed_in=False) as home:
        directory, stage = home.entra.directory, home.stage
        directory.token_life_s = SHORT_LIFE_S
        await home.hears(Notice.SIGNED_OUT, 0.0)  # nobody has asked
        await until_line(stage, SIGNED_OUT)
        await home.is_told(Notice.SIGNED_OUT, "nobody signed in")

        await home.sign_in_there()
        await until_line(stage, WAITING)
        await home.converses()

        ended_s = stage.room.now_s()
        directory.end_sign_ins()
        await home.hears(Notice.SIGNED_OUT, ended_s)  # nobody has asked
        await until_line(stage, SIGNED_OUT)
        assert (await home.status())["code"] == "auth-signed-out"
        assert len(stage.marks("notice", after_s=ended_s)) == 1, "once is enough"
        await home.is_told(Notice.SIGNED_OUT, "revoked")

        await home.sign_in_there()
        await until_line(stage, WAITING)
        await home.converses()


@pytest.mark.xfail(
    raises=StageError, reason="nothing flushes the code: a reply waits behind it for seventeen seconds", strict=True
)
async def test_a_wake_word_ends_the_code_that_is_being_said(play, voice, tmp_path):
    """Whoever has signed in and asks at once is answered at once."""
    async with house(play, voice, tmp_path, signed_in=False) as home:
        await home.until(code="auth-signed-out")
        await home.sign_in_there(aloud=True)
        woken_s = await home.wake("Hey Jarvis, what time is it?")
        await home.stage.wait_for("audible", after_s=woken_s, timeout_s=5)

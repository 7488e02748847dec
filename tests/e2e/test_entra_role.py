"""A service that refuses whoever signs in, however good the sign-in is: the role is missing."""

from __future__ import annotations

from speakerd.core.notices import Notice
from tests.fakes.entra_stories import WAITING, house
from tests.fakes.stories import until_line

NO_ROLE = f"{WAITING}; cannot sign in: speakerd status says what is missing"


async def test_a_missing_role_is_told_until_it_is_given(play, voice, tmp_path):
    """That Entra goes on giving tokens does not make it well; a conversation does."""
    async with house(play, voice, tmp_path) as home:
        await home.until(state="ok")
        home.entra.directory.take_role()
        await home.is_told(Notice.MISCONFIGURED, "no role")
        await home.wake()  # asks for another token, which comes a second later
        await until_line(home.stage, NO_ROLE)
        assert (await home.status())["code"] == "auth-refused"
        home.entra.directory.take_role(back=True)
        await home.is_let_in("with the role")
        await home.until(state="ok")
        await until_line(home.stage, WAITING)

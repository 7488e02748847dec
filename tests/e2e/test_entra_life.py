"""The life of a token as the person in the room knows it: fresh, refreshed, refused, over.

Tokens live for seconds here. What is measured is printed: ``-s`` shows it.
"""

from __future__ import annotations

from speakerd.core.notices import Notice
from tests.fakes.entra_answers import Fault
from tests.fakes.entra_stories import WAITING, house
from tests.fakes.stories import until_line

SHORT_LIFE_S = 6
"""Of a token whose end a story waits for; it is fetched anew after half of it, and not used in its last tenth."""

SLOW = Fault("slow", delay_s=2.5)
"""Longer than anybody waits for a token."""


async def test_whoever_asks_is_let_in_while_tokens_come_and_go(play, voice, tmp_path):
    """A fresh token, one whose successor is under way, one that the service refuses: nobody notices a difference."""
    async with house(play, voice, tmp_path) as home:
        entra, directory = home.entra, home.entra.directory
        directory.token_life_s = 10
        await home.until(state="ok", account=directory.account)
        await home.is_let_in("a fresh token")

        directory.revoke_access_tokens()
        await home.is_let_in("a token that the service refuses")
        assert home.gate.count(401) == 1
        assert home.stage.marks("notice") == []

        entra.fail("refresh", SLOW, times=1)
        await home.until(next_in_s=None)
        await home.is_let_in("a token whose successor is under way")
        assert (await home.status())["next_in_s"] is None, "the refresh was over too early to prove anything"
        await home.until(state="ok", failures=0)
        await home.converses()
        assert not entra.journal.overlapped()


async def test_a_network_that_is_gone_is_told_once_the_token_is_over(play, voice, tmp_path):
    """The rest of the token's life is used; then it is said why not, in time; when the network is back, all is well."""
    async with house(play, voice, tmp_path) as home:
        entra, stage = home.entra, home.stage
        entra.directory.token_life_s = SHORT_LIFE_S
        entra.directory.revoke_access_tokens()
        await home.is_let_in("a token that the service refuses")  # the next one has a short life
        entra.down()
        await home.until(code="auth-no-network")
        await home.is_let_in("no network, and a token that is good for seconds")
        assert stage.marks("notice") == []
        await until_line(stage, "offline: Microsoft's sign-in cannot be reached, trying again")
        await home.is_told(Notice.OFFLINE, "token over, network down")
        entra.up()
        await home.until(state="ok")
        await until_line(stage, WAITING)
        await home.converses()

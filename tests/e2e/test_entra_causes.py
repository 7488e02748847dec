"""Why there is no token, and what the person in the room is told of it: the right sentence, within a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from speakerd.core.notices import Notice
from tests.fakes.authority_ca import Health
from tests.fakes.entra import Entra
from tests.fakes.entra_answers import Fault
from tests.fakes.entra_stories import WAITING, house
from tests.fakes.stories import until_line

NIGHT = 3
"""At this hour nothing is said that nobody has asked for: what is heard is the answer to the wake word."""

LATE = Fault("late", delay_s=1.0)
"""So that what an attempt finds out is too late for whoever has caused it: they hear what was known."""


HESITANT = Fault("hesitant", delay_s=8.0)
"""The first attempt lasts, with what follows it, three times as long as a busy machine takes to be spoken to."""


class Cause(NamedTuple):
    """Something that is the matter."""

    name: str
    happen: Callable[[Entra], None]
    code: str
    notice: Notice


CAUSES = (
    Cause("the clock is behind", lambda entra: entra.wear(Health.EARLY), "auth-clock", Notice.CLOCK),
    Cause("429", lambda entra: entra.fail("refresh", "throttled"), "auth-busy", Notice.REFUSED),
    Cause("an unknown authority", lambda entra: entra.wear(Health.OTHER_ISSUER), "auth-ca", Notice.MISCONFIGURED),
    Cause("500", lambda entra: entra.fail("refresh", "error-html"), "auth-busy", Notice.REFUSED),
    Cause("a hotel's log-in page", lambda entra: entra.wear(Health.OTHER_HOST), "auth-tls", Notice.OFFLINE),
    Cause("503", lambda entra: entra.fail("refresh", "unavailable"), "auth-busy", Notice.REFUSED),
)
"""What is the matter, in an order in which no sentence follows itself: then there would be a sound in its place."""


async def test_every_cause_has_its_sentence_within_a_second(play, voice, tmp_path):
    """One daemon goes through them all: each wake word is answered in time, and what is wrong is looked at anew."""
    async with house(play, voice, tmp_path, hour=NIGHT, start_daemon=False) as home:
        entra = home.entra
        home.forget_access_tokens()
        entra.fail("discovery", HESITANT)
        entra.fail("refresh", "dead")
        await home.stage.start_daemon()
        assert (await home.status())["state"] == "starting"
        await home.is_told(Notice.REFUSED, "the first attempt is under way")
        befall(entra, CAUSES[0].happen)
        for cause, following in zip(CAUSES, [*CAUSES[1:], None], strict=True):
            await home.until(code=cause.code)
            asked_s = await home.wake()
            befall(entra, following and following.happen)
            await home.is_told(cause.notice, cause.name, asked_s)
        await home.until(state="ok")
        await until_line(home.stage, WAITING)
        await home.converses()


def befall(entra, happen):
    """Let something be the matter with the authority, or nothing, in place of what was."""
    entra.heal()
    entra.wear(Health.VALID)  # hangs up as well
    entra.fail("connection", LATE)
    if happen is not None:
        happen(entra)

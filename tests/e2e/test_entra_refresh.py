"""Tokens that are fetched anew while somebody is being answered: nothing of it is heard."""

from __future__ import annotations

import numpy as np

from speakerd.core.units import WIRE_RATE_HZ
from speakerd.embedded.scripted import ScriptedVoice
from tests.fakes.entra_stories import house, show
from tests.fakes.room_tools import as_wire, unlike_pieces

LONG = "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen."
"""Six seconds of the scripted voice."""

EVERY_S = 2
"""How often there is a new token."""


async def test_a_refresh_in_the_middle_of_a_reply_disturbs_nothing(play, voice, tmp_path):
    """A child process, its library and its network, again and again: the reply is heard whole, no period is late."""
    async with house(play, voice, tmp_path, replies=[LONG], start_daemon=False) as home:
        stage, directory = home.stage, home.entra.directory
        directory.token_life_s = 2 * EVERY_S
        home.forget_access_tokens()
        await stage.start_daemon()
        await home.until(state="ok")
        before, fetches = xruns(stage), (await home.status())["fetches"]
        begun_s, ended_s = await home.converses()
        refreshed = (await home.status())["fetches"] - fetches
        show(f"{refreshed} refreshes in a conversation of {ended_s - begun_s:.1f} s")
        assert refreshed >= (ended_s - begun_s) / EVERY_S - 2
        assert refreshed >= 2
        assert xruns(stage) == before
        said = np.frombuffer(ScriptedVoice().speak(LONG, 1.0), "<i2")
        assert unlike_pieces(said, as_wire(stage.room.heard(begun_s, ended_s)), WIRE_RATE_HZ) == []


def xruns(stage):
    """Return how often the card's buffers ran over or dry."""
    return stage.room.xruns("capture"), stage.room.xruns("playback")

"""The money for today is spent."""

from __future__ import annotations

from speakerd.core.actions import Earcon
from speakerd.core.notices import Notice
from tests.fakes.command import speakerd
from tests.fakes.room_tools import earcon_likeness, notice_likeness
from tests.fakes.stories import through
from tests.fakes.tap import Tap

SPENT = "today's budget is spent: no conversation before tomorrow"

BUDGET = {"daily_usd": 0.01, "prices": {"gpt-realtime": {"audio_in": 1000.0, "audio_out": 1000.0}}}
"""One answer of the service on this machine, which is free otherwise, costs more than this."""


async def test_a_spent_budget_ends_the_conversation_and_opens_no_other(play, voice):
    """It says so behind the answer, then by a sound; no connection is made any more, not even after a restart."""
    async with (
        play(replies=["One, two, three."], config={"budget": BUDGET}, start_daemon=False) as stage,
        Tap(stage.url) as tap,
    ):
        await through(tap, stage)
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        ended = await stage.wait_for("state", before="speaking", after="idle", after_s=begun, timeout_s=20)
        await _is_said(stage, ended["t"])
        assert (await stage.status())["line"] == SPENT
        connections = len(tap.calls)
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        hinted = await stage.wait_for("earcon", earcon="error", after_s=begun)
        await stage.until(hinted["t"] + 0.6)
        assert earcon_likeness(stage.room, Earcon.ERROR, hinted["t"], hinted["t"] + 0.6) > 0.9
        assert len(stage.marks("notice")) == 1, "never twice in a row"

        assert await stage.stop_daemon() == 0
        await stage.start_daemon()
        assert (await stage.status())["line"] == SPENT
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await _is_said(stage, begun)
        told = await speakerd("usage", cwd=stage.directory, env={"SPEAKERD_SOCKET": str(stage.socket_path)})
        assert told.code == 0
        assert "spent, no conversation before tomorrow" in told.out
        shown = await speakerd("status", cwd=stage.directory, env={"SPEAKERD_SOCKET": str(stage.socket_path)})
        assert shown.out.splitlines()[0] == SPENT
        assert len(tap.calls) == connections, "it knocked at the service"


async def _is_said(stage, after_s):
    said = await stage.wait_for("notice", notice="over-budget", after_s=after_s)
    await stage.until(said["t"] + 1.8)
    assert notice_likeness(stage.room, Notice.OVER_BUDGET, said["t"], said["t"] + 1.8) > 0.9

"""``speakerd volume`` and ``mute``: what the owner chose holds, also after a restart."""

from __future__ import annotations

import pytest

from speakerd.core.pcm import rms_dbfs
from tests.e2e.test_commands import tell

SENTENCE = "This is how loud I am."


async def loudness_dbfs(stage, text=SENTENCE):
    """Return how loud a sentence is in the room."""
    begun_s = stage.room.now_s()
    assert (await tell(stage, "say", text)).code == 0
    audible = await stage.wait_for("audible", after_s=begun_s)
    ended = await stage.wait_for("state", before="speaking", after_s=audible["t"])
    return rms_dbfs(stage.room.heard(audible["t"], ended["t"]))


async def test_a_volume_is_heard_and_outlives_a_restart(play):
    """Half of it is 18 dB less in the room, without a mixer on the card; a restart does not wake the neighbours."""
    async with play(replies=[SENTENCE] * 3) as stage:
        assert (await tell(stage, "volume")).out == "volume 100, by the sound itself\n"
        full_dbfs = await loudness_dbfs(stage)
        assert (await tell(stage, "volume", "50")).out == "volume 50, by the sound itself\n"
        assert await loudness_dbfs(stage) == pytest.approx(full_dbfs - 18.1, abs=1.0)
        await stage.stop_daemon()
        await stage.start_daemon()
        assert (await tell(stage, "volume")).out == "volume 50, by the sound itself\n"
        assert await loudness_dbfs(stage) == pytest.approx(full_dbfs - 18.1, abs=1.0)


async def test_the_configuration_is_what_it_begins_with(play):
    """Until a command says otherwise; what makes no sense is refused."""
    async with play(config={"audio": {"playback": {"volume": 40, "mixer": "none"}}}, start_service=False) as stage:
        assert (await tell(stage, "volume")).out == "volume 40, by the sound itself\n"
        refused = await tell(stage, "volume", "200")
        assert (refused.code, "from 0 to 100" in refused.err) == (2, True)
        assert (await tell(stage, "volume", "60")).code == 0
        await stage.stop_daemon()
        await stage.start_daemon()
        assert (await tell(stage, "volume")).out == "volume 60, by the sound itself\n"


async def test_a_muted_speaker_is_muted_after_a_restart(play, voice):
    """It says so in its line and does not listen, until it is unmuted, which outlives a restart as well."""
    async with play(start_service=False) as stage:
        await tell(stage, "mute")
        await stage.stop_daemon()
        await stage.start_daemon()
        status = await stage.status()
        assert (status["line"], status["muted"]) == ("muted", True)
        begun, said = stage.say(voice("Hey Jarvis"))
        await stage.until(said + 1.0)
        assert stage.marks("wake", after_s=begun) == []
        await tell(stage, "unmute")
        await stage.stop_daemon()
        await stage.start_daemon()
        assert (await stage.status())["line"] == 'listening for "hey jarvis"'
        begun, _ = stage.say(voice("Hey Jarvis"))
        await stage.wait_for("wake", after_s=begun)

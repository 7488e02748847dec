"""Any card and any service, by configuration only."""

from __future__ import annotations

import pytest

from speakerd.demo.simcard import CardProfile
from tests.fakes.tap import Tap

CARDS = {
    "16 kHz mono S16": (
        CardProfile(rate_min_hz=16_000, rate_max_hz=16_000, channels_max=1, sample_format="S16_LE", noise_dbfs=-70),
        {"rate_hz": 16_000, "channels": 1, "sample_format": "S16_LE"},
        "auto",
    ),
    "24 kHz mono S16": (
        CardProfile(rate_min_hz=24_000, rate_max_hz=24_000, channels_max=1, sample_format="S16_LE", noise_dbfs=-70),
        {"rate_hz": 24_000, "channels": 1, "sample_format": "S16_LE"},
        "auto",
    ),
    "44.1 kHz stereo S16": (
        CardProfile(rate_min_hz=44_100, rate_max_hz=44_100, channels_min=2, channels_max=2, noise_dbfs=-70),
        {"rate_hz": 44_100, "channels": 2},
        "auto",
    ),
    "48 kHz, 8 channels S32, microphone on channel 2": (
        CardProfile(
            rate_min_hz=48_000,
            rate_max_hz=48_000,
            channels_min=8,
            channels_max=8,
            sample_format="S32_LE",
            use_channel=2,
            noise_dbfs=-70,
        ),
        {"rate_hz": 48_000, "channels": 8, "sample_format": "S32_LE"},
        2,
    ),
}


@pytest.mark.parametrize("name", CARDS)
async def test_a_turn_on_any_card(play, voice, name):
    """The card is opened as it is, the wake word is heard, and the answer comes out whole."""
    card, given, channel = CARDS[name]
    config = {"audio": {"capture": {"channel": channel}}}
    async with play(config=config, card=card, replies=["One, two, three."]) as stage:
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        audible = await stage.wait_for("audible", after_s=begun, timeout_s=20)
        ended = await stage.wait_for("state", before="speaking", after_s=begun, timeout_s=20)
        status = await stage.status()
        for end in ("microphone", "loudspeaker"):
            assert given.items() <= status[end].items()
        spans = stage.room.audible_spans(audible["t"] - 0.1, ended["t"], gap_ms=250)
        assert spans[-1][1] - spans[-1][0] == pytest.approx(0.9, abs=0.25)  # sixteen letters of it


async def test_the_channel_is_found_by_itself(play, voice):
    """With ``channel: auto`` the one that carries the microphone is heard, wherever it is."""
    card, _, _ = CARDS["48 kHz, 8 channels S32, microphone on channel 2"]
    async with play(card=card, start_service=False) as stage:
        stage.say(voice("Hey Jarvis"), at_s=stage.room.now_s() + 1.0)
        await stage.wait_for("wake")
        assert (await stage.status())["microphone"]["channel"] == 2


@pytest.mark.parametrize("provider", ["azure", "openai"])
async def test_a_turn_with_any_service(play, voice, tmp_path, provider):
    """Signed in with the key from the file, the model named as the service wants it, everything else the same."""
    key = tmp_path / "key"
    key.write_text("secret-1\n")
    key.chmod(0o600)
    config = {
        "service": {"provider": provider, "model": "kitchen-realtime"},
        "auth": {"method": "api_key", "api_key_file": str(key)},
    }
    async with play(config=config, replies=["One, two."], start_daemon=False) as stage, Tap(stage.url) as tap:
        stage.url = tap.url
        await stage.start_daemon()
        begun, _ = stage.say(voice("Hey Jarvis, what time is it?"))
        await stage.wait_for("state", before="speaking", after="follow-up", after_s=begun, timeout_s=20)
        call = tap.calls[0]
        assert call.path == "/openai/v1/realtime?model=kitchen-realtime"
        assert call.headers.get_all("Authorization") == ["Bearer secret-1"]
        assert call.headers.get("api-key") == ("secret-1" if provider == "azure" else None)
        assert "secret-1" not in stage.log()

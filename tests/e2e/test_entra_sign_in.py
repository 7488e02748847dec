"""A sign-in in the room. Its whole life, from nobody signed in to somebody signed in again: ``test_demo_entra.py``."""

from __future__ import annotations

from tests.fakes.entra_stories import house


async def test_a_wake_word_ends_the_code_that_is_being_said(play, voice, tmp_path):
    """Whoever has signed in and asks at once is answered at once."""
    async with house(play, voice, tmp_path, signed_in=False) as home:
        await home.until(code="auth-signed-out")
        await home.sign_in_there(aloud=True)
        woken_s = await home.wake("Hey Jarvis, what time is it?")
        await home.stage.wait_for("audible", after_s=woken_s, timeout_s=5)

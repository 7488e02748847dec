"""Which ears, brain and voice the service has: ``build`` chooses and loads them.

A tier is loaded once and shared by all sessions.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Literal

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.embedded.parts import Tier
from speakerd.embedded.scripted import ScriptedBrain, ScriptedEars, ScriptedVoice
from speakerd.embedded.vad import EnergyVad, SileroFactory

_log = logging.getLogger("speakerd.embedded")

SCRIPT_VARIABLE = "SPEAKERD_EMULATE_SCRIPT"
"""Environment variable with the scripted tier's replies, a JSON list of strings."""

TierName = Literal["auto", "scripted", "neural"]
"""What can be asked for."""


def build(tier: TierName = "auto") -> Tier:
    """Load a tier and warm it up. Heavy: seconds; call it in a thread.

    Args:
        tier: ``auto`` takes the best that loads.

    Raises:
        SpeakerdError: the tier asked for cannot be loaded here.
    """
    if tier == "scripted":
        return scripted(_script())
    try:
        return neural()
    except SpeakerdError as error:
        if tier == "neural":
            raise
        _log.warning("the neural tier cannot be used, taking the scripted one: %s", error)
        return scripted(_script())


def scripted(script: list[str] | None = None) -> Tier:
    """Return the tier that understands nothing.

    Args:
        script: Replies used in turn; without one it says what reached it.
    """
    return Tier("scripted", EnergyVad, ScriptedEars(), ScriptedBrain(script), ScriptedVoice())


def neural() -> Tier:
    """Return the tier that hears, thinks a little and speaks, warmed up.

    Raises:
        SpeakerdError: one of its packages is missing, broken or not what was pinned.
    """
    from speakerd.embedded.brain import IntentBrain
    from speakerd.embedded.ears import WhisperEars
    from speakerd.embedded.voice import HibariVoice

    try:
        voice = HibariVoice()
        ears = WhisperEars()
        new_vad = SileroFactory()
        ears.hear(voice.speak("Ready.", 1.0))  # the first use of each loads what it needs
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        sentence = f"the neural tier needs the packages of speakerd[local]: {error}"
        raise SpeakerdError("embedded-tier", sentence, Remedy.EXIT) from error
    return Tier("neural", new_vad, ears, IntentBrain(), voice)


def _script() -> list[str] | None:
    """Return the script in the environment.

    Raises:
        SpeakerdError: it is not a list of strings.
    """
    source = os.environ.get(SCRIPT_VARIABLE)
    if not source:
        return None
    try:
        script = json.loads(source)
    except ValueError as error:
        raise SpeakerdError("embedded-script", f"{SCRIPT_VARIABLE} is not JSON: {error}", Remedy.EXIT) from error
    if not isinstance(script, list) or not all(isinstance(line, str) for line in script):
        raise SpeakerdError("embedded-script", f"{SCRIPT_VARIABLE} is not a JSON list of strings", Remedy.EXIT)
    return script

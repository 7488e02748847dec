"""What a stage is furnished with: rooms, a clean environment, a place for built things, configuration over another."""

from __future__ import annotations

import copy
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from speakerd.demo.simcard import CardProfile

LIVING_ROOM = CardProfile(echo_gain_db=-12.0, echo_delay_ms=30.0, noise_dbfs=-65.0)
"""A speaker on a shelf: its microphone hears its own loudspeaker, and never digital silence (guessed)."""

HEADPHONES = replace(LIVING_ROOM, echo_gain_db=None)
"""Nothing of the loudspeaker reaches the microphone, and nothing is cancelled. For the scripted tier: the canceller is
made for speech and lets enough of its hum through to interrupt it (measured)."""

_FOREIGN = re.compile(r"^(AZURE|OPENAI|SPEAKERD_(EMULATE|TRACE|SOCKET))|_proxy$", re.IGNORECASE)
"""Variables of the caller's environment that mean another service and another daemon than the stage's."""


def clean_environment() -> dict[str, str]:
    """Return the caller's environment without what would point a daemon elsewhere."""
    return {key: value for key, value in os.environ.items() if not _FOREIGN.search(key)}


def as_installed(folder: Path) -> dict[str, str]:
    """Return the variables by which programs find their modules compiled, as pip leaves them, from a second start on.

    An environment may keep Python from it, and then every start compiles what is not installed.

    Args:
        folder: Where what is compiled is kept.
    """
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested keys with others laid over them."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return result


def cache_dir() -> Path:
    """Return where built things are kept: under ``XDG_CACHE_HOME``, else ``~/.cache``, else in the temporary folder."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speakerd"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        # A service's user may have no home of its own, or one it cannot write to.
        folder = Path(tempfile.gettempdir()) / f"speakerd-cache-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():  # somebody else was there first: nothing is loaded from it
            return Path(tempfile.mkdtemp(prefix="speakerd-cache-"))
    return folder

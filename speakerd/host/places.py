"""Where what outlives a start is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SYSTEM_FOLDER = Path("/var/lib/speakerd")
"""The unit's StateDirectory (contract)."""


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of this process: the unit's state directory, else the user's."""
    if state := environment.get("STATE_DIRECTORY"):
        return Path(state.split(":")[0])
    home = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME") or Path.home()) / ".local/state"
    return Path(home) / "speakerd"


def daemons_state_folder(environment: Mapping[str, str], system: Path = SYSTEM_FOLDER) -> Path:
    """Return the folder of this machine's daemon, for another process: an installed one's, else as above.

    Args:
        environment: Of the process.
        system: The state directory of an installed daemon.
    """
    return system if "STATE_DIRECTORY" not in environment and system.is_dir() else state_folder(environment)


def may_use(folder: Path) -> bool:
    """Return whether this user may read and write there."""
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)

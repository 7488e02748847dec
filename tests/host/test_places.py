"""Where what outlives a start is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from speakerd.host.places import daemons_state_folder, may_use, state_folder

HOME = {"HOME": "/home/me"}


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/speakerd"} | HOME, "/var/lib/speakerd"),
        ({"STATE_DIRECTORY": "/a:/b"}, "/a"),
        ({"XDG_STATE_HOME": "/x"} | HOME, "/x/speakerd"),
        (HOME, "/home/me/.local/state/speakerd"),
    ],
)
def test_a_process_has_its_own(environment, folder):
    """The unit's comes first, then what the user's environment says."""
    assert state_folder(environment) == Path(folder)


def test_another_process_finds_an_installed_daemons(tmp_path):
    """Where there is none, it is the user's own."""
    assert daemons_state_folder(HOME, tmp_path) == tmp_path
    assert daemons_state_folder(HOME, tmp_path / "none") == state_folder(HOME)
    assert daemons_state_folder({"STATE_DIRECTORY": "/s"}, tmp_path) == Path("/s")


def test_what_may_be_used(tmp_path):
    """One's own folder may; the kernel's, or none at all, may not."""
    assert may_use(tmp_path)
    assert not may_use(tmp_path / "none")

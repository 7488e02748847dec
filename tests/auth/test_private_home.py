"""A HOME of its own for one worker."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from speakerd.auth.private_home import CACHE_FOLDER, cache_in, places, private_home, remove_left_behind
from tests.fakes.full_disk import full_disk

CACHE = {"speakerd.nocae": '{"AccessToken": {}}'}


def test_the_copy_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    """Nobody else can look into it."""
    with private_home([tmp_path], CACHE) as home:
        assert cache_in(home) == CACHE
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert stat.S_IMODE((home / CACHE_FOLDER / "speakerd.nocae").stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []


def test_what_the_library_did_to_the_cache_is_read_back(tmp_path: Path) -> None:
    """Its lock file is not part of it, and nothing is there where it kept nothing."""
    with private_home([tmp_path], {}) as home:
        assert cache_in(home) == {}
        (home / CACHE_FOLDER / "speakerd.nocae").write_text("{}")
        (home / CACHE_FOLDER / "speakerd.nocae.lockfile").write_text("1 x")
        assert cache_in(home) == {"speakerd.nocae": "{}"}
        (home / CACHE_FOLDER).rename(home / "elsewhere")
        assert cache_in(home) == {}


def test_memory_is_preferred_to_the_disk(tmp_path: Path) -> None:
    """The service manager's folder, the login's, the state's, and at last the machine's."""
    environment = {"RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/run/user/1"}
    first, second, third, _ = places(environment, tmp_path)
    assert (first, second, third) == (Path("/run/a"), Path("/run/user/1"), tmp_path)
    assert places({}, tmp_path)[0] == tmp_path


def test_a_place_that_will_not_do_is_passed_over(tmp_path: Path) -> None:
    """A folder that is not there is no reason to stay signed out."""
    with private_home([tmp_path / "nothing", tmp_path], CACHE) as home:
        assert home.parent == tmp_path


def test_no_place_at_all_is_an_error(tmp_path: Path) -> None:
    """The first reason is told."""
    with pytest.raises(FileNotFoundError), private_home([tmp_path / "nothing"], CACHE):
        pass
    with pytest.raises(FileNotFoundError), private_home([], CACHE):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError), private_home([tmp_path / "file", tmp_path], CACHE):
        pass


def test_without_room_nothing_is_left_behind(tmp_path: Path) -> None:
    """A full disk is noticed before a token comes that could not be kept."""
    with full_disk(), pytest.raises(OSError, match="large"), private_home([tmp_path], CACHE):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_killed_workers_home_is_removed_by_the_next(tmp_path: Path) -> None:
    """A living one's is not."""
    program = (
        "import sys, time; from pathlib import Path; from speakerd.auth.private_home import private_home\n"
        "with private_home([Path(sys.argv[1])], {'a.nocae': '{}'}) as home: print(home, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        left = Path(killed.stdout.readline().strip())
        killed.send_signal(signal.SIGKILL)
    assert left.is_dir()
    with private_home([tmp_path], CACHE) as living:
        assert not left.exists()
        assert remove_left_behind(tmp_path) == 0
        assert living.is_dir()


def test_every_place_is_tidied_up(tmp_path: Path) -> None:
    """A killed worker may have had to take another one."""
    (tmp_path / "other" / "speakerd-sign-in-x").mkdir(parents=True)
    with private_home([tmp_path, tmp_path / "nothing", tmp_path / "other"], CACHE):
        assert list((tmp_path / "other").iterdir()) == []


def test_a_home_that_was_hardly_begun_is_removed_too(tmp_path: Path) -> None:
    """Killed between two names, and with whatever else a name may stand for."""
    (tmp_path / "speakerd-new-x").mkdir()
    (tmp_path / "speakerd-sign-in-file").touch()
    (tmp_path / "speakerd-sign-in-link").symlink_to(tmp_path)
    assert remove_left_behind(tmp_path) == 1
    assert tmp_path.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_home_is_left_alone(tmp_path: Path) -> None:
    """In a folder that all share."""
    (tmp_path / "speakerd-sign-in-theirs").mkdir()
    os.chown(tmp_path / "speakerd-sign-in-theirs", 65_534, 65_534)
    assert remove_left_behind(tmp_path) == 0
    assert (tmp_path / "speakerd-sign-in-theirs").is_dir()

"""A HOME of its own for one worker: the library keeps its cache there and may tear it, it is only a copy.

In memory where the system gives us a folder in memory. A worker that was killed leaves its folder behind; the next one
removes it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

CACHE_FOLDER = ".IdentityService"
"""Where azure-identity keeps its cache below HOME (observed; it cannot be told another place)."""

_NEW, _OURS = "speakerd-new-", "speakerd-sign-in-"

_ROOM_BYTES = 65_536
"""So much must be free: the cache has 6000 (measured), and grows while it is saved."""

_NEXT_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT}


def places(environment: Mapping[str, str], state: Path) -> list[Path]:
    """Return the folders in which a private home may be made, the best first.

    Args:
        environment: The environment's variables.
        state: The state folder.
    """
    runtime = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    named = [Path(one) for one in (runtime, environment.get("XDG_RUNTIME_DIR", "")) if one]
    return [*named, state, Path(tempfile.gettempdir())]


@contextlib.contextmanager
def private_home(folders: Iterable[Path], cache: Mapping[str, str]) -> Iterator[Path]:
    """Give a folder that holds a copy of the cache; it is gone afterwards.

    Args:
        folders: Where it may be made: the first that has room.
        cache: Content of the library's cache files by name.

    Raises:
        OSError: none of the folders will do.
    """
    home, lock = _make(folders, cache)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
        os.close(lock)


def cache_in(home: Path) -> dict[str, str]:
    """Return the content of the library's cache files in a home, by name."""
    folder = home / CACHE_FOLDER
    files = [one for one in folder.iterdir() if one.suffix in (".nocae", ".cae")] if folder.is_dir() else []
    return {one.name: one.read_text("utf-8") for one in files}


def remove_left_behind(folder: Path) -> int:
    """Remove the homes of workers that were killed; return how many there were.

    A living worker holds a lock on its home, which the kernel takes away when it ends, however it ends.
    """
    removed = 0
    for home in [*folder.glob(f"{_OURS}*"), *folder.glob(f"{_NEW}*")]:
        with contextlib.suppress(OSError):  # in use, of another user, or gone meanwhile
            if home.lstat().st_uid != os.geteuid():
                continue
            lock = _lock(home)
            try:
                shutil.rmtree(home)
                removed += 1
            finally:
                os.close(lock)
    return removed


def _make(folders: Iterable[Path], cache: Mapping[str, str]) -> tuple[Path, int]:
    failure: OSError | None = None
    possible = list(folders)
    for folder in possible:  # a worker that was killed may have had to take another place
        remove_left_behind(folder)
    for folder in possible:
        try:
            return _fill(*_claim(folder), cache)
        except OSError as error:
            if error.errno not in _NEXT_PLACE:
                raise
            failure = failure or error
    raise failure or FileNotFoundError(errno.ENOENT, "no folder for a private home")


def _claim(folder: Path) -> tuple[Path, int]:
    """Make a home and lock it before anybody can take it for one that was left behind."""
    while True:
        new = Path(tempfile.mkdtemp(prefix=_NEW, dir=folder))
        try:
            lock = _lock(new)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EWOULDBLOCK):  # another worker was quicker to tidy up
                continue
            raise
        ours = folder / new.name.replace(_NEW, _OURS, 1)
        try:
            new.rename(ours)
        except FileNotFoundError:
            os.close(lock)
            continue
        return ours, lock


def _lock(home: Path) -> int:
    """Lock a folder, without waiting."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _fill(home: Path, lock: int, cache: Mapping[str, str]) -> tuple[Path, int]:
    """Put the copy in, and see whether there is room for it to grow."""
    try:
        folder = home / CACHE_FOLDER
        folder.mkdir(mode=0o700)
        for name, text in cache.items():
            with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - made with its rights, not given them later
                file.write(text)
        room = home / "room"
        room.write_bytes(bytes(_ROOM_BYTES))
        room.unlink()
    except OSError:
        shutil.rmtree(home, ignore_errors=True)
        os.close(lock)
        raise
    return home, lock

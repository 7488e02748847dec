"""The sign-in on disk: one file that no crash, no power cut and no full disk can tear.

The library saves its cache in place, and what it leaves behind when it is killed stops every later sign-in (measured).
So it never sees this file: a worker works on a copy (``private_home.py``), and what came of it is put back here in one
rename. The generation before stays beside it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER, NAME, BACKUP, LOCK = "sign-in", "account.json", "account.json.bak", "lock"
"""What lies in the state folder (contract)."""

VERSION = 1
"""Of the file's format."""

MAX_BYTES = 1_048_576
"""A sign-in has about 8000 (measured); what is larger is none of ours."""

LOCK_PATIENCE_S = 10.0
"""How long a writer waits for another (guess: a write takes a tenth of a second, on a bad card seconds)."""

_LOCK_LOOK_S = 0.02

_UNFINISHED = "unfinished-"

_ROOM_BYTES = 65_536
"""So much must be free before somebody is asked to sign in (guess: eight times what is kept)."""

_YOUNG_SHARE = 0.55
"""A kept access token is used again while it has more of its life than this before it. The keeper fetches ahead of need
at half of it, a twentieth of that earlier at most (token_life), and must then get a new one."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in, and the library's cache for it."""

    record: Mapping[str, Any] | None = None
    """Which account of the cache is ours, as the library's AuthenticationRecord; None: nobody is signed in."""

    cache: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Content of the library's cache files by name."""

    def of_client(self, client: str | None) -> Account:
        """Return this, or an empty one where it was signed in with another app."""
        theirs = str((self.record or {}).get("clientId", "")).lower()
        return self if theirs == (client or "").strip().lower() else Account()

    def is_as(self, other: Account) -> bool:
        """Return whether both say the same; the library writes its JSON in another way than we do."""
        ours, theirs = ({name: json.loads(text) for name, text in one.cache.items()} for one in (self, other))
        return self.record == other.record and ours == theirs

    def without_old_tokens(self, now: float, *, force: bool) -> Account:
        """Return this without the access tokens that will not do any more; refresh tokens stay.

        Args:
            now: On the wall clock, whose seconds the cache counts.
            force: Leave out the young ones as well: the last one was refused.
        """
        return Account(self.record, {name: _trim(text, now, force=force) for name, text in self.cache.items()})


def _trim(text: str, now: float, *, force: bool) -> str:
    content = json.loads(text)
    tokens = content.get("AccessToken")
    if isinstance(tokens, dict):
        content["AccessToken"] = {key: one for key, one in tokens.items() if not force and _is_young(one, now)}
    return json.dumps(content)


def _is_young(entry: object, now: float) -> bool:
    """Return whether an access token is worth keeping; one from the future came while the clock was wrong."""
    try:
        came, ends = float(entry["cached_at"]), float(entry["expires_on"])  # type: ignore[index]  # whatever JSON held
    except (KeyError, TypeError, ValueError):
        return False
    return came <= now and ends - now > _YOUNG_SHARE * (ends - came)


class AccountFile:
    """The one file. Any process may use it at any time; a lock orders those who write.

    Args:
        state: The state folder; a private folder is made in it.
        patience_s: How long a writer waits for another.
    """

    def __init__(self, state: Path, *, patience_s: float = LOCK_PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._folder = state / FOLDER
        self._file, self._backup = self._folder / NAME, self._folder / BACKUP

    def load(self) -> Account:
        """Return what is kept: of the backup where the file is torn, of neither where there is none that is ours.

        Raises:
            OSError: the folder is not ours, or cannot be entered.
        """
        if not self._is_there():
            return Account()
        return _read(self._file) or _read(self._backup) or Account()

    def save(self, account: Account, *, instead_of: Account | None = None) -> bool:
        """Put a sign-in there, whole or not at all.

        Args:
            account: What to keep.
            instead_of: What it has grown out of: where something else lies there by now, a newer sign-in or none, that
                stays; the old one becomes the backup. None: a new sign-in, which replaces whatever there was.

        Returns:
            Whether it was put there.

        Raises:
            OSError: no room, no right or no disk; what lay there lies there still. TimeoutError: another writer hangs.
        """
        self._make_folder()
        with self._locked():
            if instead_of is not None and self.load() != instead_of:
                return False
            data = _bytes_of(account)
            if instead_of is None:  # what was kept of another account must not come back
                self._write(self._backup, data)
            elif _read(self._file) is not None:
                new = self._unfinished(data)
                self._file.replace(self._backup)
                new.replace(self._file)
                self._sync()
                return True
            self._write(self._file, data)
            return True

    def prove_room(self) -> None:
        """See whether a sign-in could be put there, before a person is troubled for one.

        Raises:
            OSError: no room, no right or no disk.
        """
        self._make_folder()
        with self._locked():
            self._unfinished(bytes(_ROOM_BYTES)).unlink()

    def remove(self) -> bool:
        """Sign out: leave nothing of it.

        Returns:
            Whether there was something.

        Raises:
            OSError: the folder is not ours, or read-only.
        """
        if not self._is_there():
            return False
        with self._locked():
            was_there = self._file.exists() or self._backup.exists()
            self._file.unlink(missing_ok=True)
            self._backup.unlink(missing_ok=True)
            self._sync()
        return was_there

    def _is_there(self) -> bool:
        """Return whether there is a folder; one of somebody else's is refused."""
        try:
            found = self._folder.lstat()
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(f"{self._folder} is not a folder of ours")
        if stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
            self._folder.chmod(stat.S_IRWXU)
        return True

    def _make_folder(self) -> None:
        if not self._is_there():
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock; nobody holds it longer than a write takes. Clears what a killed writer left behind."""
        descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self._take(descriptor)
            for left in self._folder.glob(f"{_UNFINISHED}*"):
                if not left.is_dir():
                    left.unlink(missing_ok=True)
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        """Take the lock, in time: who holds it may wait for a disk that never answers."""
        until_s = time.monotonic() + self._patience_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until_s:
                    raise TimeoutError(errno.ETIMEDOUT, "another process writes the sign-in") from None
                time.sleep(_LOCK_LOOK_S)
            else:
                return

    def _write(self, path: Path, data: bytes) -> None:
        self._unfinished(data).replace(path)
        self._sync()

    def _unfinished(self, data: bytes) -> Path:
        """Write a file under a name that nobody reads, down to the disk."""
        descriptor, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=self._folder)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - mkstemp gives a descriptor
                file.write(data)
                file.flush()
                os.fsync(descriptor)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)

    def _sync(self) -> None:
        """Bring the folder's names down to the disk."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _bytes_of(account: Account) -> bytes:
    return json.dumps({"version": VERSION, "record": account.record, "cache": dict(account.cache)}).encode()


def _read(path: Path) -> Account | None:
    """Read a file; None where there is none, or none of ours: torn, of somebody else, too large, of another format."""
    try:
        with open(path, "rb", opener=_as_it_is) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                return None
            data = file.read(MAX_BYTES + 1)
    except OSError:  # not there, a folder, or a card that cannot be read any more
        return None
    return _account_of(data) if len(data) <= MAX_BYTES else None


def _as_it_is(path: str, flags: int) -> int:
    """Open a file without following a link, or waiting for a pipe's other end."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)


def _account_of(data: bytes) -> Account | None:
    try:
        content = json.loads(data)
        record, cache = content["record"], content["cache"]
        sound = content["version"] == VERSION and isinstance(record, dict | None) and isinstance(cache, dict)
        if sound and all(_is_plain(name) and isinstance(json.loads(text), dict) for name, text in cache.items()):
            return Account(record, cache)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return None


def _is_plain(name: str) -> bool:
    """Return whether a name stays in its folder."""
    return name == Path(name).name and not name.startswith(".")

"""Signing in with a key from a file, and not signing in at all.

The key is read when it is used and kept nowhere, so that a new one counts from the next conversation on. Tokens of
Microsoft Entra ID do not live here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from speakerd.core.errors import AuthError, Remedy

CREDENTIAL = "api-key"
"""The systemd credential that may hold the key (contract)."""

MAX_KEY_BYTES = 4096
"""No key is longer (guess; the service's have 32 to 200 characters)."""


class NoCredentials:
    """For a service that asks for none: the embedded one."""

    async def headers(self) -> Mapping[str, str]:
        """Return no headers."""
        return {}

    def rejected(self) -> AuthError | None:
        """Nothing was refused that could be replaced."""
        return None

    def accepted(self) -> None:
        """Nothing was shown."""


class ApiKey:
    """A key in a file that only its owner and group may read."""

    def __init__(self, path: Path, *, azure: bool) -> None:
        self._path = path
        self._azure = azure

    @classmethod
    def from_settings(cls, api_key_file: str | None, environment: Mapping[str, str], *, azure: bool) -> ApiKey:
        """Take the file that the configuration names, else the systemd credential.

        Args:
            api_key_file: ``auth.api_key_file``.
            environment: The environment's variables; systemd sets ``CREDENTIALS_DIRECTORY``.
            azure: Whether the service is Azure's, which has a header of its own for keys.

        Raises:
            AuthError: there is neither (``auth-key-missing``).
        """
        directory = environment.get("CREDENTIALS_DIRECTORY")
        if api_key_file is None and not directory:
            message = f"no key: set auth.api_key_file, or LoadCredential={CREDENTIAL}:FILE in the unit"
            raise AuthError("auth-key-missing", message, Remedy.OPERATOR)
        return cls(Path(api_key_file) if api_key_file else Path(str(directory)) / CREDENTIAL, azure=azure)

    def __repr__(self) -> str:
        return f"ApiKey({str(self._path)!r})"

    async def headers(self) -> Mapping[str, str]:
        """Return the headers that carry the key.

        Raises:
            AuthError: there is no file (``auth-key-missing``), it cannot be read (``auth-key-unreadable``), everybody
                may read it (``auth-key-exposed``), it is empty (``auth-key-empty``) or holds something else
                (``auth-key-malformed``).

        Source: a key is a bearer token for both services; Azure's older gateways know ``api-key`` only.
        """
        key = self._read()
        headers = {"Authorization": f"Bearer {key}"}
        return headers | {"api-key": key} if self._azure else headers

    def rejected(self) -> AuthError | None:
        """Nothing to do: the file is read anew for each handshake."""
        return None

    def accepted(self) -> None:
        """Nothing to do either."""

    def trouble(self) -> AuthError | None:
        """Return what is wrong with the key's file; None: nothing that can be seen."""
        try:
            self._read()
        except AuthError as error:
            return error
        return None

    def _read(self) -> str:
        try:
            data = _read_private(self._path)
        except FileNotFoundError as error:
            raise self._fault("missing", "is not there: put the key into it and chmod 600 it") from error
        except OSError as error:
            raise self._fault("unreadable", f"cannot be read: {error.strerror}") from error
        if data is None:
            raise self._fault("exposed", "can be read or changed by everybody: chmod o= it, then make a new key")
        key = data.strip()
        if not key:
            raise self._fault("empty", "is empty: put the key into it")
        if len(data) > MAX_KEY_BYTES or not key.isascii() or not key.decode("ascii").isprintable() or b" " in key:
            raise self._fault("malformed", "holds something else than one key: put the key into it and nothing else")
        return key.decode("ascii")

    def _fault(self, code: str, message: str) -> AuthError:
        return AuthError(f"auth-key-{code}", f"{self._path} {message}", Remedy.OPERATOR)


def _read_private(path: Path) -> bytes | None:
    """Read a small file; None if others may read or change it. A pipe cannot make us wait."""
    with open(path, "rb", opener=_without_waiting) as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IROTH | stat.S_IWOTH):
            return None
        return file.read(MAX_KEY_BYTES + 1)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)

"""A stand-in for the Azure CLI: a program named ``az`` that gives access tokens, or says that nobody is signed in.

Of all its commands it knows the one that azure-identity runs.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

from tests.fakes.entra_directory import Directory

_PROGRAM = """#!/bin/sh
here=$(dirname "$0")
printf '%s\\n' "$*" >> "$here/calls"
[ -e "$here/delay" ] && sleep "$(cat "$here/delay")"
case "$*" in
  "account get-access-token --output json --resource "*) ;;
  *) echo "ERROR: the fake knows 'az account get-access-token' only" >&2; exit 2 ;;
esac
cat "$here/stdout"
cat "$here/stderr" >&2
exit "$(cat "$here/status")"
"""

_NO_ACCOUNT = "ERROR: Please run 'az login' to setup account.\n"
"""What clients look for when nobody is signed in: the words are part of the interface."""


class AzureCli:
    """The program in a folder that a test puts first on its PATH.

    Args:
        folder: Where the program and its notes go.
        directory: Who makes the tokens.
    """

    def __init__(self, folder: Path, directory: Directory) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._directory = folder, directory
        program = folder / "az"
        program.write_text(_PROGRAM)
        program.chmod(0o755)
        self.sign_out()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process find it."""
        return {"PATH": f"{self._folder}:{os.environ.get('PATH', os.defpath)}"}

    @property
    def calls(self) -> list[str]:
        """The arguments of each run."""
        calls = self._folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def sign_in(self) -> str:
        """Let it give a fresh token from now on, until this is called again; return the token."""
        token = self._directory.for_machine()
        expires_on = int(self._directory.now_s() + self._directory.token_life_s)
        content = {
            "accessToken": token,
            "expiresOn": dt.datetime.fromtimestamp(expires_on).strftime("%Y-%m-%d %H:%M:%S.000000"),  # noqa: DTZ006 - az
            "expires_on": expires_on,
            "subscription": "77777777-6666-5555-4444-333333333333",
            "tenant": self._directory.tenant,
            "tokenType": "Bearer",
        }
        self._answer(json.dumps(content, indent=2) + "\n", "", 0)
        return token

    def sign_out(self) -> None:
        """Let it say that nobody is signed in."""
        self._answer("", _NO_ACCOUNT, 1)

    def expire(self) -> None:
        """Let it say that its sign-in has ended."""
        said = "ERROR: AADSTS700082: The refresh token was not used for too long.\nPlease run:\naz login\n"
        self._answer("", said, 1)

    def garble(self) -> None:
        """Let it answer something that is no token."""
        self._answer("WARNING: there is a newer version.\n", "", 0)

    def delay(self, span_s: float) -> None:
        """Let it take its time; 0: no longer."""
        note = self._folder / "delay"
        note.write_text(str(span_s))
        if span_s == 0:
            note.unlink()

    def _answer(self, stdout: str, stderr: str, status: int) -> None:
        for name, content in (("stdout", stdout), ("stderr", stderr), ("status", str(status))):
            note = self._folder / name
            note.touch(mode=0o600)
            note.write_text(content)

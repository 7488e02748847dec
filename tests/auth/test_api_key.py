"""Signing in with a key from a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from speakerd.auth.api_key import MAX_KEY_BYTES, ApiKey, NoCredentials
from speakerd.core.errors import AuthError, Remedy


def key_file(tmp_path: Path, content: bytes = b"hunter2\n", mode: int = 0o600) -> Path:
    """Write a file that holds a key."""
    path = tmp_path / "api-key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


async def refusal(path: Path) -> AuthError:
    """Return the error that using a file gives."""
    with pytest.raises(AuthError) as caught:
        await ApiKey(path, azure=True).headers()
    assert caught.value.remedy is Remedy.OPERATOR
    assert "hunter2" not in str(caught.value)
    return caught.value


async def test_no_credentials_are_no_headers() -> None:
    """The embedded service is not told who we are."""
    assert await NoCredentials().headers() == {}


async def test_a_key_is_a_bearer_token(tmp_path: Path) -> None:
    """OpenAI takes the key as a bearer token, without the line's end."""
    assert await ApiKey(key_file(tmp_path), azure=False).headers() == {"Authorization": "Bearer hunter2"}


async def test_azure_gets_its_own_header_as_well(tmp_path: Path) -> None:
    """Azure's gateways look for the key in either place."""
    headers = await ApiKey(key_file(tmp_path), azure=True).headers()
    assert headers == {"Authorization": "Bearer hunter2", "api-key": "hunter2"}


async def test_a_new_key_counts_from_the_next_use(tmp_path: Path) -> None:
    """The file is read each time, so a key can be changed while the daemon runs."""
    credentials = ApiKey(key_file(tmp_path), azure=False)
    await credentials.headers()
    key_file(tmp_path, b"another")
    assert await credentials.headers() == {"Authorization": "Bearer another"}


async def test_the_key_is_not_in_the_repr(tmp_path: Path) -> None:
    """What may land in a log names the file only."""
    credentials = ApiKey(key_file(tmp_path), azure=True)
    await credentials.headers()
    assert "hunter2" not in repr(credentials) + str(vars(credentials))


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
async def test_a_key_that_everybody_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    """A key in the open has to be replaced, not used."""
    assert (await refusal(key_file(tmp_path, mode=mode))).code == "auth-key-exposed"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "auth-key-empty"),
        (b" \n", "auth-key-empty"),
        (b"hunter2\nhunter3", "auth-key-malformed"),
        (b"key = hunter2", "auth-key-malformed"),
        (b"hunter2\r\nX: y", "auth-key-malformed"),
        ("hunter2é".encode(), "auth-key-malformed"),
        (b"x" * (MAX_KEY_BYTES + 1), "auth-key-malformed"),
    ],
)
async def test_a_file_that_holds_no_key_is_refused(content: bytes, code: str, tmp_path: Path) -> None:
    """Nothing but one key can become a header."""
    assert (await refusal(key_file(tmp_path, content))).code == code


async def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    """The path and the remedy stand in the message."""
    error = await refusal(tmp_path / "nothing")
    assert error.code == "auth-key-missing"
    assert str(error) == f"{tmp_path}/nothing is not there: put the key into it and chmod 600 it"


def test_a_directory_costs_no_descriptor(tmp_path: Path) -> None:
    """The key is looked at with each status and each wake word: a thousand of them were the end of the daemon."""
    key = ApiKey(tmp_path, azure=False)
    files = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        assert key.trouble() is not None
    assert len([*Path("/proc/self/fd").iterdir()]) == files


async def test_a_directory_is_unreadable(tmp_path: Path) -> None:
    """Whatever else the system says is passed on."""
    assert (await refusal(tmp_path)).code == "auth-key-unreadable"


async def test_a_pipe_cannot_make_us_wait(tmp_path: Path) -> None:
    """A named pipe without a writer is an empty file."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert (await refusal(tmp_path / "pipe")).code == "auth-key-empty"


async def test_the_credential_of_systemd_stands_in_for_the_file(tmp_path: Path) -> None:
    """The configured file comes first, then the service manager's credential, then there is none."""
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    key_file(tmp_path)
    credentials = ApiKey.from_settings(None, environment, azure=False)
    assert await credentials.headers() == {"Authorization": "Bearer hunter2"}
    assert "/etc/key" in repr(ApiKey.from_settings("/etc/key", environment, azure=False))
    with pytest.raises(AuthError, match=r"set auth\.api_key_file") as caught:
        ApiKey.from_settings(None, {}, azure=False)
    assert caught.value.code == "auth-key-missing"

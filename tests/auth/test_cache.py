"""The sign-in on disk: whatever happens, it is there whole, or the one before it is."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakerd.auth.cache import BACKUP, FOLDER, LOCK, MAX_BYTES, NAME, Account, AccountFile
from tests.fakes.full_disk import full_disk
from tests.fakes.other_user import without_rights

RECORD = {"clientId": "app", "username": "ada@example.com"}


def account(generation: int) -> Account:
    """Return a sign-in that can be told from others."""
    return Account(RECORD, {"speakerd.nocae": json.dumps({"RefreshToken": {"key": {"secret": f"r{generation}"}}})})


@pytest.fixture
def file(tmp_path: Path) -> AccountFile:
    """Return the file of an empty state folder."""
    return AccountFile(tmp_path / "state")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder in which it lies."""
    return tmp_path / "state" / FOLDER


def test_nothing_is_kept_at_first(file: AccountFile, folder: Path) -> None:
    """And looking makes no folder."""
    assert file.load() == Account()
    assert not file.remove()
    assert not folder.exists()


def test_what_is_kept_is_private(file: AccountFile, folder: Path) -> None:
    """Folder and files belong to nobody else, and secrets are in no repr."""
    assert file.save(account(1))
    assert file.load() == account(1)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
    assert "r1" not in repr(file.load())


def test_an_open_folder_is_shut(file: AccountFile, folder: Path) -> None:
    """Whoever has opened it."""
    file.save(account(1))
    folder.chmod(0o755)
    file.load()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_generation_before_is_kept(file: AccountFile, folder: Path) -> None:
    """A torn file costs one generation, whose refresh token still counts."""
    file.save(account(1))
    assert file.save(account(2), instead_of=account(1))
    (folder / NAME).write_bytes((folder / NAME).read_bytes()[:-20])
    assert file.load() == account(1)


def test_a_torn_file_is_mended_by_the_next_save(file: AccountFile, folder: Path) -> None:
    """And does not become the backup."""
    file.save(account(1))
    file.save(account(2), instead_of=account(1))
    (folder / NAME).write_bytes(b"")
    assert file.save(account(3), instead_of=account(1))
    assert file.load() == account(3)
    (folder / NAME).unlink()
    assert file.load() == account(1)


def test_another_accounts_sign_in_never_comes_back(file: AccountFile, folder: Path) -> None:
    """A new sign-in is its own backup."""
    file.save(account(1))
    file.save(account(2))
    (folder / NAME).unlink()
    assert file.load() == account(2)


def test_a_newer_sign_in_is_not_overwritten(file: AccountFile) -> None:
    """Somebody signed in while we fetched a token for the old account."""
    file.save(account(1))
    file.save(account(5))
    assert not file.save(account(2), instead_of=account(1))
    assert file.load() == account(5)


def test_a_sign_out_stays(file: AccountFile, folder: Path) -> None:
    """What was under way does not sign us in again, and nothing of it is left."""
    file.save(account(1))
    assert file.remove()
    assert not file.save(account(2), instead_of=account(1))
    assert file.load() == Account()
    assert not file.remove()
    assert [one.name for one in folder.iterdir()] == ["lock"]


UNUSABLE = {
    "empty": b"",
    "torn": b'{"version": 1, "record": null, "cache": {"speakerd.nocae": "{',
    "no object": b"[]",
    "another version": b'{"version": 2, "record": null, "cache": {}}',
    "no record": b'{"version": 1, "cache": {}}',
    "strange record": b'{"version": 1, "record": 5, "cache": {}}',
    "strange cache": b'{"version": 1, "record": null, "cache": []}',
    "strange text": b'{"version": 1, "record": null, "cache": {"a": 5}}',
    "torn cache": b'{"version": 1, "record": null, "cache": {"a.nocae": "{\\"Acc"}}',
    "cache of another kind": b'{"version": 1, "record": null, "cache": {"a.nocae": "[]"}}',
    "a name that leaves its folder": b'{"version": 1, "record": null, "cache": {"../a": "{}"}}',
    "a hidden name": b'{"version": 1, "record": null, "cache": {".profile": "{}"}}',
    "no text at all": b"\xff\xfe\x00",
    "far too deep": b"[" * 100_000,
    "too large": b" " * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_none_of_ours_is_not_used(file: AccountFile, folder: Path, content: bytes) -> None:
    """The backup stands in; without it nobody is signed in."""
    file.save(account(1))
    (folder / NAME).write_bytes(content)
    assert file.load() == account(1)
    (folder / BACKUP).unlink()
    assert file.load() == Account()


@given(st.binary(max_size=300))
def test_no_content_breaks_the_loading(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a dying disk gives back."""
    state = tmp_path_factory.mktemp("any")
    AccountFile(state).save(account(1))
    (state / FOLDER / NAME).write_bytes(content)
    assert AccountFile(state).load() == account(1)


@given(st.integers(0, 400))
def test_a_file_cut_anywhere_is_not_half_used(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    """A power cut leaves any beginning of it."""
    state = tmp_path_factory.mktemp("cut")
    AccountFile(state).save(account(1))
    AccountFile(state).save(account(2), instead_of=account(1))
    whole = (state / FOLDER / NAME).read_bytes()
    (state / FOLDER / NAME).write_bytes(whole[:length])
    assert AccountFile(state).load() == (account(2) if length >= len(whole) else account(1))


def test_what_is_no_plain_file_is_not_read(file: AccountFile, folder: Path, tmp_path: Path) -> None:
    """Links, pipes and folders of that name."""
    file.save(account(1))
    (folder / NAME).rename(tmp_path / "elsewhere")
    (folder / BACKUP).unlink()
    (folder / NAME).symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / BACKUP)
    assert file.load() == Account()
    for name in (NAME, BACKUP):
        (folder / name).unlink()
        (folder / name).mkdir()
    files = len([*Path("/proc/self/fd").iterdir()])
    assert file.load() == Account()
    assert len([*Path("/proc/self/fd").iterdir()]) == files


def test_a_folder_in_place_of_the_file_leaves_the_backup(file: AccountFile, folder: Path) -> None:
    """As a container makes one where a file was to be mounted."""
    file.save(account(1))
    (folder / NAME).unlink()
    (folder / NAME).mkdir()
    assert file.load() == account(1)


def test_what_a_killed_writer_cannot_have_left_is_left_alone(file: AccountFile, folder: Path) -> None:
    """It stopped every save."""
    file.save(account(1))
    (folder / "unfinished-folder").mkdir()
    assert file.save(account(2))
    assert (folder / "unfinished-folder").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_file_is_not_ours(file: AccountFile, folder: Path) -> None:
    """Nor is their folder: signing in there is refused, with what is there left as it is."""
    file.save(account(1))
    os.chown(folder / NAME, 65_534, 65_534)
    assert file.load() == account(1)
    os.chown(folder / BACKUP, 65_534, 65_534)
    assert file.load() == Account()
    os.chown(folder, 65_534, 65_534)
    for use in (file.load, file.remove, lambda: file.save(account(2))):
        with pytest.raises(PermissionError):
            use()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """The state folder belongs to somebody else."""
    tmp_path.chmod(0o555)
    with without_rights(), pytest.raises(PermissionError):
        AccountFile(tmp_path / "state").save(account(1))
    tmp_path.chmod(0o700)


def test_a_link_in_place_of_the_folder_is_refused(file: AccountFile, folder: Path, tmp_path: Path) -> None:
    """It would lead the secrets elsewhere."""
    folder.parent.mkdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(PermissionError):
        file.save(account(1))


def test_a_full_disk_leaves_what_was_there(file: AccountFile, folder: Path) -> None:
    """And nothing half-written beside it."""
    file.save(account(1))
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    with full_disk(20), pytest.raises(OSError, match="large"):
        file.save(account(2), instead_of=account(1))
    with full_disk(20), pytest.raises(OSError, match="large"):
        file.save(account(3))
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before


def test_a_lock_that_somebody_holds_for_good_holds_nobody_up(file: AccountFile, folder: Path) -> None:
    """A writer that waits for a dead disk: what lies there can still be read, and who wants to write hears of it."""
    file.save(account(1))
    impatient = AccountFile(folder.parent, patience_s=0.0)
    with (folder / LOCK).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert impatient.load() == account(1)
        for write in (lambda: impatient.save(account(2)), impatient.remove, impatient.prove_room):
            with pytest.raises(TimeoutError):
                write()
    assert impatient.save(account(2))


def test_a_lock_is_waited_for(file: AccountFile, folder: Path) -> None:
    """Writers take their turns."""
    file.save(account(1))
    with (folder / LOCK).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(0.2, lambda: fcntl.flock(held, fcntl.LOCK_UN)).start()
        assert file.save(account(2))


def test_room_is_proven_without_leaving_anything(file: AccountFile, folder: Path) -> None:
    """Before somebody is asked for a code."""
    file.prove_room()
    assert [one.name for one in folder.iterdir()] == ["lock"]
    with full_disk(20), pytest.raises(OSError, match="large"):
        file.prove_room()
    assert [one.name for one in folder.iterdir()] == ["lock"]


def test_an_account_belongs_to_the_app_it_was_signed_in_with() -> None:
    """With another app in the configuration nobody is signed in."""
    assert account(1).of_client(" APP ") == account(1)
    assert account(1).of_client("other") == Account()
    assert account(1).of_client(None) == Account()


def test_the_same_sign_in_written_in_another_way_is_no_change() -> None:
    """A card is not worn out by commas."""
    spread = Account(RECORD, {name: json.dumps(json.loads(text), indent=8) for name, text in account(1).cache.items()})
    assert spread != account(1)
    assert spread.is_as(account(1))
    assert not account(2).is_as(account(1))
    assert not Account(None, account(1).cache).is_as(account(1))


def entry(came: float, ends: float) -> dict[str, str]:
    """Return a kept access token, times in the library's way."""
    return {"secret": "a", "cached_at": str(came), "expires_on": str(ends)}


@pytest.mark.parametrize(
    ("one", "kept"),
    [
        (entry(1000, 4600), True),
        (entry(0, 3600), True),
        (entry(-1000, 2600), False),  # its second half begins
        (entry(-5000, -1400), False),
        (entry(5000, 8600), False),  # from the future: the clock was wrong when it came
        ({"secret": "a"}, False),
        (entry(1000, 4600) | {"cached_at": "soon"}, False),
        ("nonsense", False),
    ],
)
def test_an_old_access_token_is_left_out(one: object, kept: bool) -> None:
    """Whoever fetches at half life must get a new one, and a clock that was set makes no token older or younger."""
    content = {"AccessToken": {"key": one}, "RefreshToken": {"key": {"secret": "r"}}}
    whole = Account(RECORD, {"speakerd.nocae": json.dumps(content)})
    trimmed = json.loads(whole.without_old_tokens(1000, force=False).cache["speakerd.nocae"])
    assert ("key" in trimmed["AccessToken"]) == kept
    assert trimmed["RefreshToken"] == content["RefreshToken"]
    forced = json.loads(whole.without_old_tokens(1000, force=True).cache["speakerd.nocae"])
    assert forced == {**content, "AccessToken": {}}


def test_a_cache_without_access_tokens_stays_as_it_is() -> None:
    """Nothing is made up."""
    assert account(1).without_old_tokens(0, force=True) == account(1)


def outcomes(state: Path, how: str) -> list[dict[str, object]]:
    """Kill writers in a process of its own, and return what each left behind."""
    command = [sys.executable, "-m", "tests.fakes.killed_writer", str(state), how]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.parametrize("start", ["whole", "torn", "none"])
def test_killed_at_any_step_of_a_save_there_is_the_old_or_the_new(tmp_path: Path, start: str) -> None:
    """Every call to the outside is once the last one."""
    found = outcomes(tmp_path, start)
    assert len(found) > 8
    assert found[0]["kept"] == (None if start == "none" else "old")
    assert found[-1] == {"killed": False, "kept": "new", "after": "after"}
    for one in found[:-1]:
        assert one["killed"]
        assert one["kept"] in ("new", found[0]["kept"])
        assert one["after"] == "after", "the next save must work, whatever the killed one left"


def test_killed_at_any_moment_nothing_that_was_saved_is_lost(tmp_path: Path) -> None:
    """Thirty writers that save without end."""
    found = outcomes(tmp_path, "random")
    assert len(found) == 30
    for one in found:
        assert one["kept"] in (one["told"], one["told"] + 1)
        assert set(one["left"]) <= {"lock", NAME, BACKUP}

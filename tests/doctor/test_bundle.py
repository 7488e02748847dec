"""The archive: what is in it, who may read it, and that no secret that was planted anywhere is."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from speakerd.core.settings import Settings
from speakerd.doctor.bundle import FOLDER, Story, private_words, write_bundle
from speakerd.doctor.report import Report, failed

SECRETS = {
    "resource": "kitchen-east-17",
    "tenant": "11111111-2222-3333-4444-555555555555",
    "client": "01234567-89ab-cdef-0123-456789abcdef",
    "key in a file": "Zk4vR8wQ2pL9",
    "key in the environment": "short-pw1",
    "account": "anna.meier@contoso.onmicrosoft.com",
    "user": "annameier",
    "instructions": "the spare key is under the mat",
    "session": "Aunt Frieda",
    "token": "eyJhbGciOiJub25lIn0.eyJvaWQiOiJ4In0.c2ln",
}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Return what a doctor found where every secret stands wherever it may."""
    key = tmp_path / "key"
    key.write_text(SECRETS["key in a file"] + "\n")
    settings = Settings.model_validate(
        {
            "assistant": {"instructions": SECRETS["instructions"]},
            "service": {
                "provider": "azure",
                "endpoint": f"https://{SECRETS['resource']}.openai.azure.com",
                "session": {"prompt": SECRETS["session"]},
            },
            "auth": {
                "method": "api_key",
                "tenant": SECRETS["tenant"],
                "client": SECRETS["client"],
                "api_key_file": str(key),
            },
            "wake": {"models": [f"/home/{SECRETS['user']}/models/own.onnx"]},
        }
    )
    report = Report()
    everything = " ".join(value for name, value in SECRETS.items() if name not in ("instructions", "session"))
    report.add("Network", [failed("dns", f"{everything} has no address", everything, **{everything: everything})])
    environment = {
        "HOME": f"/home/{SECRETS['user']}",
        "USER": SECRETS["user"],
        "AZURE_OPENAI_API_KEY": SECRETS["key in the environment"],
        "PATH": os.environ["PATH"],
    }
    status = {"line": f"signed in as {SECRETS['account']}", "sign_in": {"account": SECRETS["account"]}}
    return Story(report.as_plain_data("1"), status, settings, environment)


def unpacked(path: Path) -> dict[str, str]:
    """Return every file's text."""
    with tarfile.open(path) as archive:
        files = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            files[member.name.removeprefix(f"{FOLDER}/")] = file.read().decode()
    return files


async def test_no_secret_is_anywhere(tmp_path: Path, story: Story) -> None:
    """And each was somewhere."""
    assert all(secret in f"{story}{private_words(story)}" for secret in SECRETS.values())
    path = tmp_path / "report.tar.gz"
    await write_bundle(path, story)
    text = "\n".join(f"{name}\n{content}" for name, content in unpacked(path).items())
    found = [name for name, secret in SECRETS.items() if secret.casefold() in text.casefold()]
    assert found == []
    assert "contoso" not in text


async def test_it_holds_what_explains_it(tmp_path: Path, story: Story) -> None:
    path = tmp_path / "report.tar.gz"
    await write_bundle(path, story)
    files = unpacked(path)
    assert set(files) == {
        *("README.txt", "doctor.json", "status.json", "configuration.json", "versions.json"),
        *("unit.txt", "journal.txt", "cards.txt", "pcm.txt"),
    }
    configuration = json.loads(files["configuration.json"])
    assert configuration["assistant"]["instructions"] == "<30 characters>"
    assert configuration["service"]["endpoint"].endswith(".openai.azure.com")
    assert json.loads(files["versions.json"])["packages"]["numpy"]
    assert json.loads(files["doctor.json"])["counts"]["fail"] == 1


async def test_it_is_its_owners_and_overwrites_nothing(tmp_path: Path, story: Story) -> None:
    path = tmp_path / "report.tar.gz"
    await write_bundle(path, story)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        await write_bundle(path, story)
    trap = tmp_path / "trap.tar.gz"
    trap.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="exists"):
        await write_bundle(trap, story)


async def test_without_a_configuration_and_a_daemon_there_is_less(tmp_path: Path, story: Story) -> None:
    path = tmp_path / "report.tar.gz"
    await write_bundle(path, Story(story.report, None, None, {}))
    files = unpacked(path)
    assert "configuration.json" not in files
    assert "no daemon answered" in files["status.json"]


@pytest.mark.parametrize("transcripts", [False, True])
async def test_what_was_said_is_not_in_it(
    tmp_path: Path, story: Story, monkeypatch: pytest.MonkeyPatch, *, transcripts: bool
) -> None:
    """Of a journal that holds conversations nothing is taken; of another, lines that look like it are left out."""
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\necho 'speakerd[1]: listening'\necho 'speakerd[1]: user: about Frieda'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    settings = Settings.model_validate({"log": {"transcripts": transcripts}})
    path = tmp_path / "report.tar.gz"
    await write_bundle(path, Story(story.report, None, settings, {}))
    journal = unpacked(path)["journal.txt"]
    assert "Frieda" not in journal
    assert ("listening" in journal) is not transcripts
    assert ("left out: log.transcripts is on" in journal) is transcripts

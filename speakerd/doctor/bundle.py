"""The archive for a bug report: what the doctor found and what explains it, with nothing private in it."""

from __future__ import annotations

import io
import json
import os
import pwd
import socket
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from speakerd.core.hosts import is_loopback
from speakerd.core.settings import Settings
from speakerd.doctor.machine import UNIT, ask, versions
from speakerd.doctor.redact import Redactor, is_secret_name, without_instructions, without_transcripts

JOURNAL_LINES = 400
"""How much of the journal (chosen: some twenty conversations)."""

FOLDER = "speakerd-report"
"""What it unpacks into (chosen)."""

_COMMON = frozenset({"root", "speakerd", "nobody", "localhost", "user", "audio", "home"})
"""Names that say nothing of anybody."""

_PEOPLE_FROM, _PEOPLE_TO = 1000, 60_000
"""User numbers of people (specified by Debian)."""

_ABOUT = """This is what 'speakerd doctor --bundle' found, for a bug report. Names of people, machines and resources,
ids, addresses, keys and what was said are replaced by marks such as <private 3>. Look through it before you send it.
"""


@dataclass(frozen=True, slots=True)
class Story:
    """What goes into it, as it is known."""

    report: Mapping[str, Any]
    """What the doctor found."""

    status: Mapping[str, Any] | None
    """What the running daemon says; None: there is none."""

    settings: Settings | None
    """The configuration; None: it is wrong."""

    environment: Mapping[str, str]
    """Of the process."""


def wrong_with_place(path: Path) -> str | None:
    """Return why the archive cannot be written there, before long checks begin; None: it can."""
    if path.exists() or path.is_symlink():
        return f"{path} is there already: give another name"
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        return f"{path.absolute().parent} is no folder where you may write"
    return None


async def write_bundle(path: Path, story: Story) -> None:
    """Write the archive, for its owner only.

    Raises:
        OSError: it cannot be written.
    """
    redactor = Redactor(private_words(story))
    unit = await ask("systemctl", "cat", "--no-pager", UNIT)
    files = dict(_data(story, redactor))
    files["journal.txt"] = redactor.text(await _journal(story.settings))
    files["unit.txt"] = redactor.text(unit) if unit else "not installed, or no systemd here\n"
    for name in ("cards", "pcm"):
        files[f"{name}.txt"] = redactor.text(_read(Path("/proc/asound") / name))
    _write(path, _pack(files))


async def _journal(settings: Settings | None) -> str:
    """Return the unit's last lines; none where what was said is among them, which may go on from line to line."""
    if settings is not None and settings.log.transcripts:
        return "left out: log.transcripts is on, so it holds what was said\n"
    asked = ("journalctl", "--unit", UNIT, f"--lines={JOURNAL_LINES}", "--no-pager", "--output=short-iso")
    said = await ask(*asked)
    return without_transcripts(said) if said else "not readable by this user\n"


def private_words(story: Story) -> dict[str, set[str]]:
    """Return what is known to be private, by kind."""
    environment, settings = story.environment, story.settings
    people = {entry.pw_name for entry in pwd.getpwall() if _PEOPLE_FROM <= entry.pw_uid < _PEOPLE_TO}
    people |= {environment.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")}
    people |= {Path(environment.get("HOME", "/")).name, socket.gethostname(), socket.gethostname().partition(".")[0]}
    secrets = {value for name, value in environment.items() if is_secret_name(name) and not value.startswith("/")}
    ids = {value for name, value in environment.items() if name.startswith("AZURE_") and "://" not in value}
    account = ((story.status or {}).get("sign_in") or {}).get("account")
    hosts = {environment.get("AZURE_OPENAI_ENDPOINT", "")}
    if settings is not None:
        ids |= {settings.auth.tenant or "", settings.auth.client or ""}
        hosts.add(settings.service.endpoint or "")
        if settings.auth.api_key_file:
            secrets.add(_read(Path(settings.auth.api_key_file)).strip())
    labels = {label for host in hosts for label in _labels(host)}
    words = {"secret": secrets, "id": ids, "resource": labels, "private": people | {account or ""}}
    return {kind: {word for word in several if word.casefold() not in _COMMON} for kind, several in words.items()}


def _labels(url: str) -> Iterator[str]:
    """Give what of a host's name is somebody's: of Azure's the resource, else all of it."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return
    if host and not is_loopback(host) and host != "api.openai.com":
        yield host.partition(".")[0] if host.endswith((".azure.com", ".azure.us", ".azure.cn")) else host


def _data(story: Story, redactor: Redactor) -> Iterator[tuple[str, str]]:
    yield "README.txt", _ABOUT
    parts: dict[str, Any] = {"doctor": story.report, "versions": versions()}
    parts["status"] = story.status or "no daemon answered"
    if story.settings is not None:
        parts["configuration"] = without_instructions(story.settings.model_dump(mode="json"))
    for name, part in parts.items():
        yield f"{name}.json", json.dumps(redactor.data(part), indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _pack(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in sorted(files.items()):
            content = text.encode()
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)

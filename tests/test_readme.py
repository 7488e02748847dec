"""The README promises what there is, and leaves out nothing that an owner meets."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from speakerd.cli import COMMANDS
from speakerd.core import sign_in
from speakerd.core.aadsts import MEANINGS
from speakerd.core.settings import Section, Settings
from speakerd.core.story import Kind
from speakerd.options import build_parser

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.compile(r"[a-z]+(-[a-z]+)+")


def codes() -> set[str]:
    """Return every stable code that is given to one of our errors in the source."""
    found = set()
    for module in (ROOT / "speakerd").rglob("*.py"):
        if {"demo", "bench"} & set(module.parts):
            continue  # the errors of demo and bench carry their remedy in their text
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            first = node.args[0]
            # What a MissingError names is a cause; its codes are the verdicts' below.
            if (
                name.endswith("Error")
                and name != "MissingError"
                and isinstance(first, ast.Constant)
                and CODE.fullmatch(str(first.value))
            ):
                found.add(first.value)
    verdicts = {verdict.code for verdict in (*sign_in.MISSING.values(), *vars(sign_in).values()) if is_verdict(verdict)}
    return found | verdicts | {f"auth-{meaning.code}" for meaning in MEANINGS.values()}


def is_verdict(thing: object) -> bool:
    return isinstance(thing, sign_in.Verdict)


def keys(section: type[Section], above: str = "") -> set[str]:
    """Return every key of the configuration, dotted."""
    found = set()
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            found |= keys(inner, f"{above}{name}.")
        else:
            found.add(above + name)
    return found


def test_every_error_code_has_its_row():
    """What an owner can meet is in the troubleshooting table."""
    assert len(codes()) > 20
    assert {code for code in codes() if f"`{code}`" not in README} == set()


def test_every_key_has_its_row():
    """The table of the configuration is the model's, no more and no less."""
    table = set(re.findall(r"^\| `([a-z_]+(?:\.[a-z_]+)+)` \|", README, re.MULTILINE))
    assert table == keys(Settings)


def test_every_command_in_it_exists():
    """``speakerd …`` in the README is a command with these options."""
    named = re.findall(
        r"(?:^ *|`)(?:\.venv/bin/)?speakerd ((?:[a-z][a-z-]*)(?: --?[a-z][a-z-]*)*)", README, re.MULTILINE
    )
    assert {"status", "check-config", "chat"} <= {line.split()[0] for line in named}
    parser = build_parser(COMMANDS)
    for line in named:
        with pytest.raises(SystemExit) as ended:
            parser.parse_args([line.split()[0], "--help"])
        assert ended.value.code == 0, line


def test_every_make_target_in_it_exists():
    """``make …`` in the README is a target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^ *|`|sudo )make ([a-z]+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_file_it_names_is_there():
    """Links and paths lead somewhere."""
    paths = re.findall(r"\]\((?!http|#)([^)]+)\)|`((?:config|hardware|speakerd|systemd|tests)/[\w./-]+)`", README)
    assert paths
    for named in filter(None, (one or other for one, other in paths)):
        path, _, heading = named.partition("#")
        assert (ROOT / path).exists(), named
        assert not heading or heading in headings(ROOT / path), named


def headings(page: Path) -> set[str]:
    """Return what a page's headings are linked by."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_state_diagram_is_the_tables():
    """It was drawn from the table as it stands."""
    command = [sys.executable, str(ROOT / ".ci/state_diagram.py")]
    assert subprocess.run(command, check=False).returncode == 0


def test_every_kind_of_journal_record_has_its_row():
    """By its name and its id; nothing else is promised."""
    rows = re.findall(r"^\| ([a-z-]+) \| ([0-9a-f]{32}) \|", (ROOT / "systemd/journal.md").read_text(), re.MULTILINE)
    assert rows == [(kind.name.lower().replace("_", "-"), kind.value) for kind in Kind]

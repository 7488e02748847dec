"""YAML to settings: every problem at once, each with its line and column. The only module that imports yaml.

The model and its rules live in ``core/settings.py`` and ``core/settings_check.py``. YAML is read event by event into
plain values, in the reading of YAML 1.2 (``on``, ``off``, ``yes`` and ``no`` are words), without anchors, tags or
deep nesting, so that no text can make it slow, large or surprising.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from speakerd.core.errors import ConfigError
from speakerd.core.settings import Settings
from speakerd.core.settings_check import MAX_FINDINGS, KeyPath, dotted, inspect

SYSTEM_PATH = Path("/etc/speakerd/speakerd.yaml")
"""Where the service's configuration stands (contract)."""

CHECKOUT_PATH = Path("config/speakerd.yaml")
"""Where it stands in a checkout (contract)."""

CREDENTIALS = ("api-key", "certificate")
"""The systemd credentials that may hold a secret (contract)."""

MAX_BYTES = 128 * 1024
"""A larger file is not a configuration (guess; the shipped one has 5 kB)."""

MAX_DEPTH = 24
"""Nesting that no session field needs (guess)."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_EXTRAS = "anchors, aliases and tags (&, * and !) are not used here, quote them in text"
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a configuration."""

    file: str
    """The file's name, or the environment variable's."""

    line: int
    """Counted from 1; 0: no particular place."""

    column: int
    """Counted from 1; 0: no particular place."""

    key: str
    """The key, with dots; empty: none."""

    message: str
    """What is wrong and what is allowed."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used."""

    settings: Settings
    """What it says."""

    path: Path | None
    """Where it stands; None: there is no file and every default holds."""

    notes: list[str]
    """What the owner should be told once at the start."""


@dataclass(slots=True)
class _Document:
    """A YAML document as plain values, with the place of each."""

    tree: dict[str, Any] = field(default_factory=dict)
    """What it says."""

    keys: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each key."""

    values: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each value."""

    twice: list[tuple[int, int, KeyPath, str]] = field(default_factory=list)
    """Keys that are set again: line, column, key, complaint."""


class _YamlError(Exception):
    """The YAML cannot be read on from here."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class _Reader:
    """Builds a document from YAML's events: one document, one mapping, no anchors, no tags, no deep nesting."""

    def __init__(self, events: Iterator[yaml.Event], document: _Document) -> None:
        self._events = events
        self._document = document
        self.place = (1, 1)
        """How far the text has been read."""

    def read(self) -> None:
        """Read the text to its end."""
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return
        top = self._node(self._next(), ())
        if top is not None and not isinstance(top, dict):
            raise _YamlError(*self._document.values[()], "must be a mapping of sections such as assistant:")
        self._document.tree = top or {}
        self._next()  # the document's end
        if not isinstance(self._next(), yaml.StreamEndEvent):
            raise _YamlError(*self.place, "a second document, where one is allowed")

    def _next(self) -> yaml.Event:
        event = next(self._events)
        self.place = _spot(event.start_mark)
        return event

    def _node(self, event: yaml.Event, path: KeyPath) -> Any:
        """Turn what begins with this event into a value and note its place."""
        self._document.values[path] = self.place
        if len(path) > MAX_DEPTH:
            raise _YamlError(*self.place, f"nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.CollectionStartEvent) and event.anchor is None and event.tag is None:
            return self._list(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)
        raise _YamlError(*self.place, _EXTRAS)

    def _list(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _YamlError(*self.place, "a key must be plain text")
            key = self._text(event)
            if key in mapping:
                first = self._document.keys[*path, key][0]
                self._document.twice.append((*self.place, (*path, key), f"is set twice, first in line {first}"))
            self._document.keys[*path, key] = self.place
            mapping[key] = self._node(self._next(), (*path, key))
        return mapping

    def _scalar(self, event: yaml.ScalarEvent) -> str | int | float | bool | None:
        """Give a scalar its type; what stands in quotes is text."""
        text = self._text(event)
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
        return text

    def _text(self, event: yaml.ScalarEvent) -> str:
        """Take a scalar as text; NUL and half of a surrogate pair, which an escape can write, are none."""
        text = event.value
        if event.anchor is not None or event.tag is not None:
            raise _YamlError(*self.place, _EXTRAS)
        if any("\ud800" <= char <= "\udfff" or char == "\0" for char in text):
            raise _YamlError(*self.place, "holds an escape that is not a character")
        return text


def _spot(mark: Any) -> tuple[int, int]:
    """Return a mark's line and column, counted from 1."""
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def load(path: Path | None, env: Mapping[str, str]) -> Loaded:
    """Read the configuration.

    Args:
        path: The file asked for; None: the first of the usual places that exists, else every default.
        env: The environment's variables.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong; the message lists every problem.
    """
    source = _find(path)
    if source is None:
        name, text, notes = "defaults", "", [f"no configuration file, every default holds: looked for {SYSTEM_PATH}"]
    else:
        name, text, notes = str(source), _read(source), []
    settings, problems, filled = _examine(text, name, env)
    if problems:
        raise ConfigError("\n".join(str(problem) for problem in problems))
    notes += [f"{dotted(key)} taken from {variable}" for key, variable in filled.items()]
    if env.get("AZURE_OPENAI_API_KEY") and settings.auth.method != "api_key":
        notes.append(f"AZURE_OPENAI_API_KEY is set and not used: auth.method is {settings.auth.method}")
    return Loaded(settings, source, notes)


def check(text: str, source_name: str, env: Mapping[str, str]) -> list[Problem]:
    """Return every problem of a configuration's text, in the order of the file; none: it can be used."""
    return _examine(text, source_name, env)[1]


def check_file(path: Path | None, env: Mapping[str, str]) -> list[Problem]:
    """Return every problem of a configuration file (None: the one that ``load`` would take).

    Raises:
        ConfigError: the file cannot be read.
    """
    source = _find(path)
    return check("", "defaults", env) if source is None else check(_read(source), str(source), env)


def _find(path: Path | None) -> Path | None:
    """Return the file asked for, or the first of the usual places that exists."""
    if path is not None:
        return path
    places = (SYSTEM_PATH, CHECKOUT_PATH, Path(__file__).resolve().parents[1] / CHECKOUT_PATH)
    return next((place for place in places if place.exists()), None)


def _read(path: Path) -> str:
    """Read a file of sensible size as text; what is not UTF-8 becomes U+FFFD, which is refused with its place."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except PermissionError as error:
        remedy = f"the service's user reads it, too: sudo chmod 644 {path}"
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES // 1024} KiB, which no configuration needs")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        line, column = _position(before, len(before))
        raise ConfigError(f"{path}:{line}:{column}: is not UTF-8 text: save it as UTF-8") from error


def _position(text: str, index: int) -> tuple[int, int]:
    """Return the line and column of a character, both counted from 1."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _read_yaml(text: str, document: _Document) -> None:
    """Fill a document from YAML, whatever the text is.

    Raises:
        _YamlError: the text is not YAML, or more of YAML than a configuration needs.
    """
    reader = _Reader(yaml.parse(text, yaml.SafeLoader), document)
    try:
        reader.read()
    except yaml.reader.ReaderError as error:
        place = _position(text, error.position)
        raise _YamlError(*place, f"character U+{ord(text[error.position]):04X} is not allowed in YAML") from error
    except yaml.MarkedYAMLError as error:
        message = f"not valid YAML: {error.problem}"
        if "'\\t'" in message:
            message = "not valid YAML: a tab, where YAML indents with spaces only"
        raise _YamlError(*_spot(error.problem_mark), message) from error
    except (ValueError, OverflowError) as error:  # PyYAML lets escapes and versions beyond all bounds through
        raise _YamlError(*reader.place, "not valid YAML: a number out of range near here") from error


def _examine(text: str, name: str, env: Mapping[str, str]) -> tuple[Settings, list[Problem], dict[KeyPath, str]]:
    """Read a text and judge it: settings, problems, and which keys the environment filled."""
    document = _Document()
    try:
        _read_yaml(text, document)
    except _YamlError as fault:  # judging half a file would complain about what stands in the other half
        return Settings(), [Problem(name, fault.line, fault.column, "", str(fault))], {}
    problems = {Problem(name, line, column, dotted(path), message) for line, column, path, message in document.twice}
    filled = _fill(document.tree, env)
    directory = env.get("CREDENTIALS_DIRECTORY")
    credentials = [name for name in CREDENTIALS if directory and _may_be_there(Path(directory) / name)]
    settings, findings = inspect(document.tree, credentials=credentials)
    for finding in findings:
        if variable := filled.get(finding.path):
            problems.add(Problem("environment", 0, 0, variable, finding.message))
        else:
            line, column = _place(document, finding.path, at_key=finding.at_key)
            problems.add(Problem(name, line, column, dotted(finding.path), finding.message))
    return settings, sorted(problems)[: 2 * MAX_FINDINGS], filled


def _may_be_there(credential: Path) -> bool:
    """Return whether there is a credential, or whether only the daemon could tell: 252 hides them from ExecReload."""
    try:
        return credential.is_file()
    except PermissionError:
        return True


def _fill(tree: dict[str, Any], env: Mapping[str, str]) -> dict[KeyPath, str]:
    """Put the environment's values where the file is silent; only Azure, whose variables they are."""
    service = tree.get("service")
    filled: dict[KeyPath, str] = {}
    if not isinstance(service, dict) or service.get("provider") != "azure":
        return filled
    for key, variable in (("endpoint", "AZURE_OPENAI_ENDPOINT"), ("model", "AZURE_OPENAI_DEPLOYMENT_NAME")):
        if service.get(key) is None and env.get(variable):
            service[key] = env[variable]
            filled["service", key] = variable
    return filled


def _place(document: _Document, path: KeyPath, *, at_key: bool) -> tuple[int, int]:
    """Return the line and column of a key or its value; of the section around it when the file does not name it."""
    places = document.keys if at_key else document.values
    if path in places:
        return places[path]
    while path and path not in document.keys:
        path = path[:-1]
    return document.keys.get(path, (1, 1))

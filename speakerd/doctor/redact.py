"""Takes out of a text what says who somebody is, where they live, and what lets others in. Pure.

What is known to be private is replaced wherever it stands; what looks like it, too: rather a word too many than one too
few. The same word becomes the same mark, so that a reader can still tell one from another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

SHORTEST = 3
"""A shorter word stands in every text by chance (chosen)."""

LONG = 8
"""From this length on a word is found inside others as well (chosen: "max" stays in max_turns)."""

_PATTERNS = (
    ("key", re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL)),
    ("token", re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}")),
    ("token", re.compile(r"(?i)\bbearer\s+[^\s\"',]+")),
    ("key", re.compile(r"\bsk-[A-Za-z0-9_-]{8,}")),
    ("user", re.compile(r"(?<=://)[^/\s@]+(?=@)")),
    ("e-mail", re.compile(r"[\w.+-]+(?:#EXT#)?@[\w-]+(?:\.[\w-]+)+")),
    ("id", re.compile(r"\b[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\b")),
    (
        "resource",
        re.compile(r"\b[a-z0-9][a-z0-9-]*(?=\.(?:openai|cognitiveservices|services\.ai)\.azure\.)", re.IGNORECASE),
    ),
    ("tenant", re.compile(r"\b[a-z0-9][a-z0-9-]*(?=\.onmicrosoft\.)", re.IGNORECASE)),
    ("home", re.compile(r"(?<=/home/)[^/\s\"':,]+|(?<=/Users/)[^/\s\"':,]+")),
    ("key", re.compile(r"(?<![\w/.-])(?=[A-Za-z0-9+/_=-]*\d)(?=[A-Za-z0-9+/_=-]*[A-Za-z])[A-Za-z0-9+/_=-]{32,}")),
)
"""What looks private, and what it is called then: the surest first."""

_SECRET_NAME = re.compile(r"key|secret|token|password|passwd|credential|authorization", re.IGNORECASE)
"""Names whose values are nobody's business."""

_ASSIGNED = re.compile(
    r"(?im)^(\s*(?:Environment=)?\"?[\w.-]*(?:key|secret|token|password|credential)[\w.-]*\"?\s*[=:]\s*)(\S.*)$"
)


class Redactor:
    """Replaces private words by marks.

    Args:
        known: What is known to be private: each kind with its words.
    """

    def __init__(self, known: Mapping[str, Iterable[str]]) -> None:
        self._marks: dict[str, str] = {}
        words = {word: kind for kind, several in known.items() for word in several if len(word) >= SHORTEST}
        for word in sorted(words, key=len, reverse=True):
            self._mark(words[word], word)
        self._known = re.compile("|".join(map(_anywhere, self._marks)), re.IGNORECASE) if self._marks else None

    def text(self, text: str) -> str:
        """Return a text without what is private."""
        text = _ASSIGNED.sub(lambda found: found[1] + self._mark("secret", found[2]), text)
        if self._known is not None:
            text = self._known.sub(lambda found: self._mark("private", found[0]), text)
        for kind, pattern in _PATTERNS:
            text = pattern.sub(lambda found, kind=kind: self._mark(kind, found[0]), text)  # type: ignore[misc]  # mypy does not infer a lambda's default
        return text

    def data(self, value: Any, name: str = "") -> Any:
        """Return plain data without what is private, at any depth, names of keys included.

        Args:
            value: As JSON has it.
            name: What it is called where it stands.
        """
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.data(inner, str(key)) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(inner, name) for inner in value]
        if isinstance(value, str):
            return self._mark("secret", value) if value and is_secret_name(name) else self.text(value)
        return value

    def _mark(self, kind: str, word: str) -> str:
        known = self._marks.get(word.casefold())
        if known is None:
            known = self._marks[word.casefold()] = f"<{kind} {len(self._marks) + 1}>"
        return known


def _anywhere(word: str) -> str:
    """Return the pattern of a word: a short one, such as a first name, by itself only."""
    return re.escape(word) if len(word) >= LONG else rf"(?<!\w){re.escape(word)}(?!\w)"


def is_secret_name(name: str) -> bool:
    """Return whether what is called so is a secret; figures about tokens, such as their age, are none."""
    return _SECRET_NAME.search(name) is not None and not name.endswith(("_s", "_file", "_ms"))


def without_instructions(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without what its owner has written for the assistant and its tools: only how long it is.

    Args:
        configuration: As nested plain data.
    """
    shown = {
        name: dict(section) if isinstance(section, Mapping) else section for name, section in configuration.items()
    }
    assistant, service, tools = (shown.get(name) or {} for name in ("assistant", "service", "tools"))
    if "instructions" in assistant:
        assistant["instructions"] = f"<{len(assistant['instructions'])} characters>"
    if service.get("session"):
        service["session"] = f"<{len(service['session'])} fields: {', '.join(sorted(service['session']))}>"
    if tools.get("mcp"):
        tools["mcp"] = f"<{len(tools['mcp'])} servers>"
    return shown


_SAID = re.compile(r"(?i)\b(?:user|assistant): |transcript")
"""Lines that hold what somebody said (contract of ``log.transcripts``)."""


def without_transcripts(journal: str) -> str:
    """Return lines of the journal without those that may hold what somebody said, and without what follows of them.

    A message of several lines goes on with indented ones (specified by journalctl).
    """
    kept: list[str] = []
    removed, said = 0, False
    for line in journal.splitlines():
        said = bool(_SAID.search(line)) or (said and line[:1].isspace())
        removed += said
        if not said:
            kept.append(line)
    return "\n".join([*kept, *([f"<{removed} lines with what was said are left out>"] if removed else [])]) + "\n"

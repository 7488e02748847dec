"""What is wrong with a configuration, in words: every finding at once, with what is allowed instead.

Pure: a tree of plain values in, settings and findings out. The model lives in ``settings.py``; YAML, places in the file
and environment variables live in ``config.py``.
"""

from __future__ import annotations

import difflib
import functools
import textwrap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import ValidationError

from speakerd.core.hosts import is_loopback
from speakerd.core.settings import Settings

KeyPath = tuple[str | int, ...]
"""Where a value stands: the keys from the root, and the index in a list."""

MAX_FINDINGS = 50
"""More complaints than this help nobody (guess)."""

_PLANNED_KEYS = frozenset(
    {
        "tools",
        "offline",
        "hardware",
    }
)
"""Keys of the contract whose capability is still to come: the owner learns the truth instead of "unknown key"."""

_OWNED_SESSION_FIELDS = {
    "type": "speakerd sets it itself",
    "output_modalities": "speakerd sets it itself",
    "audio.input.format": "speakerd sets it itself",
    "audio.output.format": "speakerd sets it itself",
    "model": "set service.model",
    "instructions": "set assistant.instructions",
}
"""Session fields that nobody may pass on past the key, or the code, that owns them."""

_NEVER_SHOWN = frozenset(
    {"auth.api_key_file", "auth.certificate_file", "auth.client", "auth.tenant", "auth.scope", "service.endpoint"}
)
"""Keys whose value may be a pasted secret: a complaint does not repeat it."""

_NEEDED = {
    "device_code": ("client",),
    "certificate": ("tenant", "client", "certificate_file"),
    "api_key": ("api_key_file",),
}
"""Keys that a way of signing in cannot do without."""

_CREDENTIALS = {"api_key_file": "api-key", "certificate_file": "certificate"}
"""The systemd credential that does instead of a key (contract)."""

AZURE_CLI_CLIENT = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
"""The app that azure-identity signs in as when it is told nothing else (specified)."""

_ENDPOINT = "allowed: https://HOST or wss://HOST, or ws:// to this machine"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    path: KeyPath
    """Which key."""

    message: str
    """What is wrong and what is allowed."""

    at_key: bool = False
    """True: the key itself is wrong, False: its value."""


def inspect(tree: Mapping[str, Any], *, credentials: Collection[str] = ()) -> tuple[Settings, list[Finding]]:
    """Turn a tree of plain values into settings, and say everything that is wrong with it.

    Args:
        tree: What the file says; not changed.
        credentials: Names of the credentials that the service manager hands us: ``api-key``, ``certificate``.

    Returns:
        The settings with the default wherever a value is wrong, and the findings; without findings they may be used.
    """
    good, findings = _without_planned(tree, ())
    try:
        settings = Settings.model_validate(good)
    except ValidationError as error:
        complaints = error.errors(include_url=False)
        findings += [_finding(complaint["type"], complaint) for complaint in complaints[:MAX_FINDINGS]]
        bad = {_field_of(complaint["loc"]) for complaint in complaints}
        settings = Settings.model_validate(_without(good, bad, ()))
    wrong = {dotted(_field_of(finding.path)) for finding in findings}
    for involved, finding in _contradictions(settings, credentials):
        if not wrong.intersection(involved):
            findings.append(finding)
    return settings, findings[:MAX_FINDINGS]


def dotted(path: KeyPath) -> str:
    """Write a path as people do, ``wake.models[1]``, with nothing in it that would break the line."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:60]}" for part in path)
    return "".join(char if char.isprintable() else "?" for char in text).removeprefix(".")


def _without_planned(tree: Mapping[str, Any], at: KeyPath) -> tuple[dict[str, Any], list[Finding]]:
    """Take out what is planned only, and sections that hold nothing but comments."""
    good: dict[str, Any] = {}
    findings: list[Finding] = []
    for key, value in tree.items():
        path = (*at, key)
        name = dotted(path)
        if name in _PLANNED_KEYS:
            findings.append(Finding(path, "is planned but not in this version, take it out", at_key=True))
        elif (value is None or isinstance(value, Mapping)) and "properties" in (_schema_at(path) or {}):
            good[key], inner = _without_planned(value or {}, path)
            findings += inner
        else:
            good[key] = value
    return good, findings


def _without(tree: Mapping[str, Any], bad: set[KeyPath], at: KeyPath) -> dict[str, Any]:
    """Take out the values that stand at the bad paths."""
    return {
        key: _without(value, bad, (*at, key)) if isinstance(value, Mapping) else value
        for key, value in tree.items()
        if (*at, key) not in bad
    }


def _field_of(path: KeyPath) -> KeyPath:
    """Cut a path at the list it goes into, so that a list counts as a whole."""
    return tuple(takewhile(lambda part: isinstance(part, str), path))


def _finding(kind: str, complaint: Mapping[str, Any]) -> Finding:
    """Say one of the model's complaints in our words."""
    path: KeyPath = complaint["loc"]
    if kind == "extra_forbidden":
        return Finding(path, f"is not a key here, {_suggestion(path)}", at_key=True)
    schema = _schema_at(_field_of(path)) or {}
    if len(path) > len(_field_of(path)):
        schema = schema.get("items", {})
    allowed = str(complaint["ctx"]["error"]) if kind == "value_error" else _allowed(schema)
    value = complaint["input"]
    words = [word for word in schema.get("enum", ()) if isinstance(value, str)]
    close = difflib.get_close_matches(str(value).lower(), words, 1)
    hint = f", did you mean {close[0]}?" if close else ""
    shown = "has a wrong value" if dotted(path) in _NEVER_SHOWN else f"is {_shown(value)}"
    return Finding(path, f"{shown}, allowed: {allowed}{hint}")


def _shown(value: object) -> str:
    """Name a wrong value so that its type can be told."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, str):
        return f"the text {textwrap.shorten(value, 40)!r}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a mapping"


@functools.cache
def _schema() -> dict[str, Any]:
    return Settings.model_json_schema()


def _schema_at(path: KeyPath) -> dict[str, Any] | None:
    """Return the JSON schema of a key, or None if there is no such key."""
    schema: dict[str, Any] | None = _schema()
    for part in path:
        below = schema or {}
        # Where the owner chooses the keys, such as names of models, one schema holds for all of them.
        named, any_other = below.get("properties", {}).get(part), below.get("additionalProperties")
        schema = named or (any_other if isinstance(any_other, dict) else None)
        if schema and "$ref" in schema:
            schema = _schema()["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def _allowed(schema: Mapping[str, Any]) -> str:
    """Say what a key's JSON schema allows."""
    if "anyOf" in schema:
        return " or ".join(_allowed(one) for one in schema["anyOf"])
    if "enum" in schema:
        *most, last = schema["enum"]
        return f"{', '.join(most)} or {last}"
    kind = schema.get("type")
    if kind in {"number", "integer"}:
        article = "a whole number" if kind == "integer" else "a number"
        return f"{article} from {schema['minimum']} to {schema['maximum']}"
    if kind == "array":
        return f"a list of {schema['minItems']} to {schema['maxItems']}"
    words = {"boolean": "true or false", "object": "a mapping of keys", "null": "null"}
    return words.get(str(kind), "text, in quotes if it looks like a number")


@functools.cache
def _known(at: KeyPath = ()) -> tuple[KeyPath, ...]:
    """List every key there is."""
    paths: list[KeyPath] = []
    for key in (_schema_at(at) or {}).get("properties", {}):
        paths += [(*at, key), *_known((*at, key))]
    return tuple(paths)


def _suggestion(path: KeyPath) -> str:
    """Guess what an unknown key was meant to be."""
    key = str(path[-1])
    for known in _known():
        if key in {known[-1], dotted(known)}:
            return f"did you mean {known[-1]} under {dotted(known[:-1]) or 'the top'}?"
    here = list((_schema_at(path[:-1]) or {}).get("properties", {}))
    if close := difflib.get_close_matches(key.lower(), here, 1):
        return f"did you mean {close[0]}?"
    elsewhere = {str(known[-1]): dotted(known) for known in _known()}
    if close := difflib.get_close_matches(key.lower(), elsewhere, 1, 0.75):  # less sure, farther away (guess)
        return f"did you mean {elsewhere[close[0]]}?"
    return f"allowed: {', '.join(here)}"


def _contradictions(settings: Settings, credentials: Collection[str]) -> Iterator[tuple[set[str], Finding]]:
    """Say what does not go together, with the keys involved."""
    service = settings.service
    endpoint = ("service", "endpoint")
    if service.endpoint is not None:
        if fault := _endpoint_fault(service.endpoint):
            yield {"service.endpoint"}, Finding(endpoint, fault)
    elif service.provider == "azure":
        message = "is empty, azure needs https://NAME.openai.azure.com, here or in AZURE_OPENAI_ENDPOINT"
        yield {"service.endpoint", "service.provider"}, Finding(endpoint, message)
    yield from _of_sign_in(settings, credentials)
    yield from _of_words(settings)
    for name, remedy in _OWNED_SESSION_FIELDS.items():
        if _holds(service.session, name.split(".")):
            path = ("service", "session", *name.split("."))
            yield {"service.session"}, Finding(path, f"cannot be passed on, {remedy}", at_key=True)


def _of_sign_in(settings: Settings, credentials: Collection[str]) -> Iterator[tuple[set[str], Finding]]:
    """Say what the way of signing in lacks, or does not go with."""
    auth, provider = settings.auth, settings.service.provider
    method = ("auth", "method")
    if auth.method == "none" and provider == "azure":
        message = (
            "azure needs a sign-in, allowed: device_code, managed_identity, certificate, azure_cli, default or api_key"
        )
        yield {"auth.method", "service.provider"}, Finding(method, message)
    if provider == "openai" and auth.method != "api_key":
        message = "openai knows no other sign-in than api_key, with the key in auth.api_key_file"
        yield {"auth.method", "service.provider"}, Finding(method, message)
    for key in _NEEDED.get(auth.method, ()):
        credential = _CREDENTIALS.get(key)
        if getattr(auth, key) is None and credential not in credentials:
            instead = f", or the systemd credential {credential} (seen only inside the service)" if credential else ""
            message = f"is empty, method {auth.method} needs it{instead}"
            yield {"auth.method", f"auth.{key}"}, Finding(("auth", key), message)
    if auth.client is not None and auth.client.lower() == AZURE_CLI_CLIENT and auth.method != "managed_identity":
        message = (
            "is the Azure CLI's own app: a token stolen from this speaker would open all of Azure, register your own"
        )
        yield {"auth.client"}, Finding(("auth", "client"), message)


def _of_words(settings: Settings) -> Iterator[tuple[set[str], Finding]]:
    """Say which wake words could not be told from one another: a model is called as its file is, without the suffix."""
    first: dict[str, str] = {}
    for index, name in enumerate(settings.wake.models):
        word = name.rpartition("/")[2].removesuffix(".onnx")
        if first.setdefault(word, name) != name:
            message = f"is called {word}, as {first[word]} is: rename one of the files"
            yield {"wake.models"}, Finding(("wake", "models", index), message)


def _holds(tree: object, keys: list[str]) -> bool:
    """Tell whether there is a value under nested keys."""
    for key in keys:
        if not isinstance(tree, Mapping) or key not in tree:
            return False
        tree = tree[key]
    return True


def _endpoint_fault(url: str) -> str | None:
    """Say what is wrong with the service's URL, never repeating it: it may hold a secret."""
    try:
        parts = urlsplit(url)
        host, secrets = parts.hostname, _secrets_in(parts)
        well_formed = parts.scheme in {"https", "wss", "ws"} and host and parts.port != 0 and not parts.fragment
    except ValueError:
        well_formed = False
    if not well_formed or not host or not url.isprintable() or " " in url:
        return f"is not the URL of a service, {_ENDPOINT}"
    if secrets:
        return "holds a secret, which never stands in this file: see auth.api_key_file"
    if parts.scheme == "ws" and not is_loopback(host):
        return f"would send sound and sign-in readable over the network, {_ENDPOINT}"
    if url.startswith("https://NAME."):
        return "still says NAME, put the name of your own resource there"
    return None


def _secrets_in(parts: SplitResult) -> bool:
    names = " ".join(name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    return bool(parts.username or parts.password or "key" in names or "token" in names)

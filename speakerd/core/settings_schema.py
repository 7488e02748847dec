"""The JSON schema of the configuration, for editors: what ``settings.py`` allows, and what its docstrings say of it."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from typing import Any

from speakerd.core import settings


def schema_json() -> str:
    """Return the JSON schema that gives editors completion, as ``config/speakerd.schema.json`` holds it."""
    schema = settings.Settings.model_json_schema()
    parts = {**schema["$defs"], settings.Settings.__name__: schema}
    for section, key, meaning in _meanings():
        properties: dict[str, Any] = parts[section]["properties"]
        properties[key] = dict(sorted({**properties[key], "description": meaning}.items()))
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated from speakerd/core/settings.py; do not edit.",
        **schema,
    }
    return json.dumps(schema, indent=2) + "\n"


def _meanings() -> Iterator[tuple[str, str, str]]:
    """Yield each key's section, its name and the docstring below it."""
    for section in ast.parse(inspect.getsource(settings)).body:
        if not isinstance(section, ast.ClassDef):
            continue
        for key, below in zip(section.body, section.body[1:], strict=False):
            match key, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str() as meaning)),
                ):
                    yield section.name, name, inspect.cleandoc(meaning)

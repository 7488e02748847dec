"""The schema for editors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speakerd.core.settings_schema import schema_json

CHECKOUT = Path(__file__).parents[2]


def keys(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk the keys of every section."""
    for name, section in {"": schema, **schema["$defs"]}.items():
        for key, what in section["properties"].items():
            yield f"{name}.{key}", what


def test_every_key_says_what_it_is() -> None:
    """Each carries a description, and it is that of its docstring."""
    found = dict(keys(json.loads(schema_json())))
    assert len(found) > 50
    assert [name for name, what in found.items() if not what.get("description", "").endswith((".", ")"))] == []
    assert found["Assistant.speed"]["description"] == "How fast it speaks, as a factor."


def test_the_one_in_the_checkout_is_fresh() -> None:
    """It is what the model generates."""
    assert (CHECKOUT / "config/speakerd.schema.json").read_text(encoding="utf-8") == schema_json(), (
        "run: python -c 'from speakerd.core.settings_schema import schema_json; print(schema_json(), end=\"\")'"
        " > config/speakerd.schema.json"
    )

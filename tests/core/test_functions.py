"""What the model is told it may call."""

from __future__ import annotations

import json
import re

import pytest

from speakerd.core.functions import CONVERSATION_FUNCTIONS, DONE, UNKNOWN_FUNCTION


@pytest.mark.parametrize("function", CONVERSATION_FUNCTIONS)
def test_a_declaration_is_one_the_service_takes(function):
    """A name of at most 64 plain characters, a description, a schema of its arguments."""
    assert set(function) == {"type", "name", "description", "parameters"}
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", function["name"])
    assert function["parameters"]["type"] == "object"
    json.dumps(function)


@pytest.mark.parametrize("result", [DONE, UNKNOWN_FUNCTION])
def test_results_are_json(result):
    """The service wants a string that holds an object."""
    assert isinstance(json.loads(result), dict)

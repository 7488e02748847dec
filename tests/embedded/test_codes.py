"""The table of codes in ``codes.md`` against the service's source: nothing is missing in it, nothing is left over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import speakerd.embedded

HERE = Path(__file__).parent
ROWS = re.findall(r"^\| `(\w+)` \| (.+) \| `(\w+\.py)::(\w+)` \|$", (HERE / "codes.md").read_text(), re.MULTILINE)
"""Code, when, file and name of the test."""

NOT_OURS = ("library: ", "chosen: ")
"""How a row begins whose code the WebSocket library sends, or whoever sets a fault chooses."""

TREES = [ast.parse(path.read_text()) for path in sorted(Path(speakerd.embedded.__path__[0]).glob("*.py"))]
CONSTANTS = {
    target.id: node.value
    for tree in TREES
    for node in tree.body
    if isinstance(node, ast.Assign)
    for target in node.targets
    if isinstance(target, ast.Name)
}


def places() -> Iterator[ast.expr]:
    """Return every expression that stands where a code does."""
    for node in (node for tree in TREES for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Name(id="Refusal" | "problem") | ast.Attribute(attr="part"), args=[code, *_]):
                yield code
            case ast.Call(func=ast.Name(id="_reject"), args=[_, code, *_]):
                yield code
            case ast.Call(func=ast.Attribute(attr="fail"), args=[_, code, *_]):
                yield code
            case ast.Call(func=ast.Attribute(attr="close"), args=[code, *_]):
                yield code
            case ast.AnnAssign(target=ast.Name(id="failure_code"), value=ast.expr() as code):
                yield code
            case ast.Dict(keys=keys, values=values):
                named = zip(keys, values, strict=True)
                yield from (value for key, value in named if isinstance(key, ast.Constant) and key.value == "code")
    for name in ("_ON_PURPOSE", "_OTHER"):
        yield from (node.elts[0] for node in ast.walk(CONSTANTS[name]) if isinstance(node, ast.Tuple))


def pattern(code: ast.expr) -> str | None:
    """Return what matches the codes that an expression can be; None when it only passes on what another one says."""
    match code:
        case ast.Constant(value=value):
            return str(value)
        case ast.JoinedStr(values=values):
            return "".join(pattern(value) or r"\w+" for value in values)
        case ast.Name(id=name) if name in CONSTANTS:
            return pattern(CONSTANTS[name])
    return None


PRODUCED = sorted({found for code in places() if (found := pattern(code)) is not None})


@pytest.mark.parametrize("produced", PRODUCED)
def test_each_code_stands_in_the_table(produced: str) -> None:
    """What the source can refuse with is told, with the test that holds it."""
    assert any(re.fullmatch(produced, code) for code, *_ in ROWS)


@pytest.mark.parametrize(("code", "when", "file", "name"), ROWS)
def test_each_row_is_true(code: str, when: str, file: str, name: str) -> None:
    """A code of the table is still produced, and its test is there and speaks of it."""
    assert when.startswith(NOT_OURS) or any(re.fullmatch(produced, code) for produced in PRODUCED)
    source = (HERE / file).read_text()
    functions = (
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    (test,) = (function for function in functions if function.name == name)
    first = min([test.lineno, *(decorator.lineno for decorator in test.decorator_list)])
    assert re.search(rf"\b{code}\b", "\n".join(source.splitlines()[first - 1 : test.end_lineno]))


def test_every_line_of_the_table_is_read() -> None:
    """No row is so misspelt that it would be passed over."""
    lines = (HERE / "codes.md").read_text().splitlines()
    assert len(ROWS) == sum(line.startswith("| `") for line in lines)

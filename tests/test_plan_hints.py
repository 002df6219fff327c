"""Whatever apply refuses or leaves undone comes with a hint: held against the source, where each code is used."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecerts.plan.model import BlockCode, HazardCode
from tests.conftest import SMALL, Project

PLAN = Path(__file__).parent.parent / "edgecerts/plan"
KINDS = {kind.__name__: kind for kind in (BlockCode, HazardCode)}


def uses(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with `code=BlockCode.X` or `code=HazardCode.X`, and the code."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        code = next((keyword.value for keyword in node.keywords if keyword.arg == "code"), None)
        code = code.value if isinstance(code, ast.Attribute) and code.attr == "value" else code
        if isinstance(code, ast.Attribute) and isinstance(code.value, ast.Name) and code.value.id in KINDS:
            yield KINDS[code.value.id][code.attr].value, node


def hint_of(call: ast.Call) -> ast.expr | None:
    """The hint, unless it is None or empty."""
    hint = next((keyword.value for keyword in call.keywords if keyword.arg == "hint"), None)
    return None if isinstance(hint, ast.Constant) and not hint.value else hint


FOUND = [
    (path.name, code, call)
    for path in sorted(PLAN.glob("*.py"))
    for code, call in uses(ast.parse(path.read_text(encoding="utf-8")))
]


def test_every_code_is_used_and_has_a_hint_there() -> None:
    assert {code for _, code, _ in FOUND} == {code.value for kind in KINDS.values() for code in kind}
    assert [f"{name}:{call.lineno} {code}" for name, code, call in FOUND if hint_of(call) is None] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Obstacle(code=BlockCode.CORRUPT, message=m)", None),
        ("Obstacle(code=BlockCode.CORRUPT, message=m, hint=None)", None),
        ("Obstacle(code=BlockCode.CORRUPT, message=m, hint='')", None),
        ("Remark(code=HazardCode.FOREIGN_FILE.value, hint=_HINT)", "_HINT"),
    ],
)
def test_a_hint_that_is_missing_is_found(text: str, found: str | None) -> None:
    ((_, call),) = uses(ast.parse(text))
    hint = hint_of(call)
    assert (ast.unparse(hint) if hint else None) == found


def test_the_hints_are_shown(project: Project) -> None:
    project.write(SMALL.replace("MyEACM:", 'MyEACM: {not_after: "2020-01-01T00:00:00Z"}'))
    assert "      -> write a later `not_after`, or `validity` in its place" in project.run("plan").out
    assert "<br>→ write a later `not_after" in project.run("plan", "--format", "markdown").out

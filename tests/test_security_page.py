"""SECURITY.md names tests; each of them is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", (ROOT / "SECURITY.md").read_text())))


def test_there_are_some() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize("named", NAMED)
def test_it_exists(named: str) -> None:
    file, *parts = named.split("::")
    body: list[ast.stmt] = ast.parse((ROOT / file).read_text()).body
    for part in parts:
        found = next(
            node
            for node in body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == part
        )
        body = found.body
    if not parts:
        assert any(
            isinstance(node, ast.ClassDef | ast.FunctionDef)
            and node.name.lower().startswith("test")
            for node in body
        )

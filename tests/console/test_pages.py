"""The pages of the reference that are made from the code tell all of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from faultsight.app.settings import every_setting
from faultsight.console.server import api_document

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("service_pages", DOCS / "service_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_operation_is_on_the_page(pages: ModuleType) -> None:
    page = "\n".join(pages.rest_api_page())
    document = api_document()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"### `{method.upper()} {path}`" in page
            for parameter in operation.get("parameters", []):
                assert f"| `{parameter['name']}` |" in page
    for name in ("NewFeed", "SpanVerdict", "IncidentChange"):
        for field in document["components"]["schemas"][name]["properties"]:
            assert f"| `{field}`" in page


def test_every_setting_is_on_the_page(pages: ModuleType) -> None:
    page = "\n".join(pages.settings_page())
    for info in every_setting():
        assert f"| `{info.key}` |" in page


def test_both_are_in_the_contents() -> None:
    contents = (DOCS / "index.md").read_text()
    assert "reference/rest-api" in contents
    assert "reference/settings" in contents

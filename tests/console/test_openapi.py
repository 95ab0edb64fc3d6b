"""The OpenAPI document: complete, and what it promises holds for whatever is sent."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.roles import COMMAND_LINE, Role
from faultsight.app.settings import load_settings
from faultsight.console.server import create_api

from ._serving import serving

PASSWORD = "correct horse battery"
CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_headers_conformance, response_schema_conformance,
)  # fmt: skip


@pytest.fixture
def document(application: Application) -> dict[str, Any]:
    return create_api(application).openapi()


def test_every_operation_is_told_in_full(document: dict[str, Any]) -> None:
    names = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            place = f"{method} {path}"
            assert operation["summary"], place
            assert operation["description"], place
            assert operation["tags"], place
            assert operation["x-role"] in ("anyone", "viewer", "operator", "admin"), place
            assert bool(operation["security"]) == (operation["x-role"] != "anyone"), place
            told = operation["responses"]
            assert any(status.startswith("2") for status in told), place
            for status, answer in told.items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"], place
            if operation["x-role"] != "anyone":
                assert {"401", "403"} <= set(told), place
            if "{" in path:
                assert "404" in told, place
            if "if-match" in {p["name"].lower() for p in operation.get("parameters", [])}:
                assert {"409", "428"} <= set(told), place
            names.append(operation["operationId"])
    assert len(names) == len(set(names))


def test_what_is_sent_has_examples_that_are_right(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    shown = 0
    for methods in document["paths"].values():
        for operation in methods.values():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is None:
                continue
            schema = {**body["schema"], "components": document["components"]}
            examples = [told["value"] for told in body.get("examples", {}).values()]
            if "$ref" in body["schema"]:
                named = schemas[body["schema"]["$ref"].rpartition("/")[2]]
                assert named["additionalProperties"] is False
                examples += named.get("examples", [])
            assert examples, operation["operationId"]
            for example in examples:
                jsonschema_rs.validate(schema, example)
                shown += 1
    assert shown > 20


def test_it_is_served_as_it_is(viewer: TestClient, document: dict[str, Any]) -> None:
    assert viewer.get("/api/v1/openapi.json").json() == document


def test_whatever_is_sent(tmp_path: Any) -> None:
    """Generated requests to every operation: no defect, and no answer that is not told."""
    limits = {"login_failures": 1_000_000}
    with (
        open_application(
            load_settings(tmp_path / "state", server={"port": 0}, limits=limits)
        ) as application,
        serving(application) as port,
        requests.Session() as session,
    ):
        application.accounts.add_user("keeper", PASSWORD, Role.ADMIN, COMMAND_LINE)
        _, secret = application.accounts.add_token(
            COMMAND_LINE, "test", Role.ADMIN, None, user="keeper"
        )
        headers = {"authorization": f"Bearer {secret}"}
        told = create_api(application).openapi()
        seen: Counter[str] = Counter()
        for result in schemathesis.openapi.from_dict(told).get_all_operations():
            found: Any = result
            operation = found.ok()
            if operation.label == "GET /api/v1/events":
                continue  # a stream has no end to wait for

            def send(case: Any) -> None:
                answer = case.call(
                    session=session, base_url=f"http://127.0.0.1:{port}", headers=headers
                )
                seen[f"{case.operation.label} {answer.status_code // 100}xx"] += 1
                case.validate_response(answer, checks=CHECKS)

            for mode, n in ((GenerationMode.POSITIVE, 4), (GenerationMode.NEGATIVE, 2)):
                bounded = settings(
                    max_examples=n, derandomize=True, database=None, deadline=None,
                    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
                )  # fmt: skip
                # Where nothing can be wrong, such as a list without parameters, nothing is sent.
                with suppress(Unsatisfiable):
                    bounded(given(case=operation.as_strategy(generation_mode=mode))(send))()
        assert len({label.rpartition(" ")[0] for label in seen}) > 60
        assert sum(n for label, n in seen.items() if label.endswith("2xx")) > 60

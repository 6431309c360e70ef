"""The whole OpenAPI document against the running code: no 5xx, every answer as documented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from modules.platform.contracts import Actor, ActorKind
from modules.platform.rest import authentication
from shop.wsgi import application

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_wsgi("/api/v1/schema", application)
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}


@pytest.fixture
def kept_connections() -> Iterator[None]:
    """As Django's own test client does: a request must not close the test's connections."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def staff(monkeypatch: pytest.MonkeyPatch, kept_connections: None) -> None:
    """The credential ``staff`` may do everything."""
    actor = Actor(
        kind=ActorKind.STAFF,
        id="01920000-0000-7000-8000-000000000001",
        owners=frozenset({"customer:01920000-0000-7000-8000-000000000001"}),
        scopes=frozenset({"*"}),
    )
    monkeypatch.setattr(authentication, "_verifiers", [{"staff": actor}.get])


@pytest.fixture(scope="session")
def constants() -> FeedbackSources:
    """What the code compares with: worth sending."""
    return FeedbackSources(constants_value_source=make_constants_value_source(SCHEMA))


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def answers_as_documented(case: Any) -> None:
    """One request, as staff."""
    headers = {"Authorization": "Bearer staff"}
    # What ``fields`` leaves out is missing on purpose; that is tested with the edge.
    case.query = {name: value for name, value in (case.query or {}).items() if name != "fields"}
    case.call_and_validate(headers=headers, checks=CHECKS)


@pytest.mark.django_db
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_operation_answers_as_documented(
    label: str, staff: None, constants: FeedbackSources
) -> None:
    """Whatever is sent, right or wrong: never a 5xx, and status, type and body are documented.

    The cases are made here, and not with ``SCHEMA.parametrize()``: that makes those of all
    operations at collection, in each worker.
    """
    build_operation_test(
        config=SCHEMA.config,
        operation=OPERATIONS[label],
        test_func=answers_as_documented,
        given_kwargs={},
        feedback=constants,
    )()


def test_document_is_complete(api: Client) -> None:
    """OpenAPI 3.1; every operation has a summary, a tag, a 2xx and its errors as problems."""
    document = api.get("/api/v1/schema").json()
    assert document["openapi"].startswith("3.1")
    assert document["info"]["version"]
    seen = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["operationId"] not in seen, where
            seen.add(operation["operationId"])
            assert operation["summary"], where
            assert operation["tags"] == [path.split("/")[3]], where
            assert any(code.startswith("2") for code in operation["responses"]), where
            problems = [code for code in operation["responses"] if code[0] in "45"]
            assert problems, where


def test_docs_page_is_browsable(api: Client) -> None:
    """/api/v1/docs is a page that loads the document, with nothing from other hosts."""
    page = api.get("/api/v1/docs")
    assert page.status_code == 200
    text = page.content.decode()
    assert "/api/v1/schema" in text
    assert "https://" not in text

"""The whole OpenAPI document against the running code: no 5xx, every answer as documented."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections
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
# Before each request schemathesis tries to import Flask. Told that there is none, it need not look
# through all folders.
sys.modules.setdefault("flask", None)  # type: ignore[arg-type]
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


# Wrong for every operation of the API: body, content type, what is answered.
MALFORMED = {
    "no JSON": ("{", "application/json", (400, "malformed_body", None)),
    "no text": (b"\xff\xfe", "application/json", (400, "malformed_body", None)),
    "a list": ("[]", "application/json", (422, "invalid_request", "")),
    "null": ("null", "application/json", (422, "invalid_request", "")),
    "U+0000": ('{"\\u0000": 1}', "application/json", (422, "invalid_request", "")),
    "unknown member": ('{"no_such": 1}', "application/json", (422, "invalid_request", "/no_such")),
    "another type": ("{}", "text/plain", (415, "unsupported_media_type", None)),
    "a form": ("a=1", "application/x-www-form-urlencoded", (415, "unsupported_media_type", None)),
}


@pytest.fixture
def read_only(db: None) -> None:
    """Whoever tries to write in this test is answered with a 500."""
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")


@pytest.mark.django_db
def test_no_operation_takes_a_malformed_body(api: Client, staff: None, read_only: None) -> None:
    """Whether it takes a body or none: a problem that points at what is wrong, and no change."""
    wrong = {}
    for label, operation in OPERATIONS.items():
        raw = raw_types(operation.definition.raw)
        for name, (body, kind, answer) in MALFORMED.items():
            if kind in raw:
                continue  # any text
            expected = (415, "unsupported_media_type", None) if raw else answer
            found = told(send(api, label, body, kind))
            if found != expected or str(found[0]) not in operation.definition.raw["responses"]:
                wrong[label, name] = found
    assert wrong == {}


@pytest.mark.django_db
def test_no_body_where_one_is_taken_is_malformed(api: Client, staff: None) -> None:
    """What the document calls required must come; where it names none, none and ``{}`` will do."""
    wrong = {}
    for label, operation in OPERATIONS.items():
        if raw_types(operation.definition.raw):
            continue  # any text
        found = told(send(api, label, "", "application/json"))
        if "requestBody" in operation.definition.raw:
            right = found == (400, "malformed_body", None)
        else:
            same = told(send(api, label, "{}", "application/json"))
            right = found == same and found[0] not in (400, 415, 500)
        if not right:
            wrong[label] = found
    assert wrong == {}


def raw_types(documented: dict[str, Any]) -> set[str]:
    """The media types of a body that the view reads itself, whatever it is."""
    content = documented.get("requestBody", {}).get("content", {})
    return {kind for kind, body in content.items() if body["schema"].get("type") == "string"}


def send(api: Client, label: str, body: str | bytes, kind: str) -> Any:
    """A request as staff, right but for its body."""
    operation = OPERATIONS[label]
    given = {
        place: {
            one["name"]: example(one["schema"])
            for one in operation.definition.raw["parameters"]
            if one["in"] == place and one["required"]
        }
        for place in ("path", "query", "header")
    }
    return api.generic(
        operation.method.upper(),
        operation.path.format(**given["path"]),
        body,
        kind,
        query_params=given["query"],
        headers={"Authorization": "Bearer staff", **given["header"]},
    )


def told(response: Any) -> tuple[int, str | None, str | None]:
    """Status, code and the first pointer; None where an answer that is no problem has none."""
    is_problem = response.headers.get("Content-Type") == "application/problem+json"
    problem = response.json() if is_problem else {}
    pointers = [error["pointer"] for error in problem.get("errors", [])]
    return response.status_code, problem.get("code"), next(iter(pointers), None)


def example(schema: dict[str, Any]) -> str:
    """A parameter as ``schema`` has it; a key is another one each time."""
    if schema.get("type") == "integer":
        return "1"
    pattern = schema.get("pattern", "")
    some_id = f"{pattern[1:].partition('_[')[0]}_{'0' * 26}"
    texts = (str(uuid4()), '"1"', "DE", "EUR", some_id)
    return next(text for text in texts if re.search(pattern, text))


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

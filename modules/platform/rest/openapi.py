"""The OpenAPI document, made from the views' ``@operation`` declarations."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
from drf_spectacular.openapi import AutoSchema

from modules.platform.contracts import snake
from modules.platform.rest.access import Access
from modules.platform.rest.identifiers import ALPHABET
from modules.platform.rest.operation import Operation
from modules.platform.rest.pagination import Query
from modules.platform.rest.problems import CONTENT_TYPE, TITLES, ProblemBody, status_of

REF = "#/components/schemas/{name}"
_types: dict[Any, None] = {}  # every body type met, in order


class OperationSchema(AutoSchema):
    """Renders the Operation a view's method declares; views without one stay out."""

    def get_operation(self, path: str, path_regex: str, *args: Any, **_: Any) -> Any:
        method = args[1]
        handler = getattr(self.view, method.lower(), None)
        declared: Operation | None = getattr(handler, "operation", None)
        if declared is None:
            return None
        return _operation(declared, self.view, path, path_regex, method)


def add_components(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's hook: the schemas of all body types, and the ways to authenticate."""
    schemas = msgspec.json.schema_components(list(_types) or [ProblemBody], ref_template=REF)[1]
    components = result.setdefault("components", {})
    components["schemas"] = dict(sorted((components.get("schemas", {}) | schemas).items()))
    components["securitySchemes"] = {
        "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "Api-Key"},
        "cartToken": {"type": "apiKey", "in": "header", "name": "Cart-Token"},
    }
    return result


def _operation(
    declared: Operation, view: Any, path: str, path_regex: str, method: str
) -> dict[str, Any]:
    name = type(view).__name__.removesuffix("View")
    document: dict[str, Any] = {
        "operationId": f"{view.module}_{method.lower()}_{snake(name)}",
        "summary": declared.summary,
        "tags": [view.module],
        "parameters": [
            *_path_parameters(path, path_regex),
            *_query_parameters(declared.query, sparse=method == "GET"),
            *_headers(declared),
        ],
        "responses": _responses(declared, has_path="{" in path),
    }
    if declared.description or type(view).__doc__:
        document["description"] = declared.description or type(view).__doc__
    if security := _security(declared.access):
        document["security"] = security
    if declared.body is not None:
        document["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(declared.body)}},
        }
    elif declared.raw:
        document["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": {"type": "string"}} for kind in declared.raw},
        }
    if declared.deprecated:
        document["deprecated"] = True
    return document


@cache  # to ask msgspec takes a millisecond, and problems are asked for a thousand times
def _ref(body_type: Any) -> dict[str, Any]:
    _types[body_type] = None
    schemas, _ = msgspec.json.schema_components([body_type], ref_template=REF)
    return schemas[0]


def _path_parameters(path: str, path_regex: str) -> list[dict[str, Any]]:
    converters = dict(re.findall(r"<(\w+):(\w+)>", path_regex))
    by_name = {name: kind for kind, name in converters.items()}
    return [
        {"in": "path", "name": name, "required": True, "schema": _path_schema(by_name.get(name))}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _path_schema(converter: str | None) -> dict[str, Any]:
    if converter in (None, "str", "path", "slug"):
        return {"type": "string", "minLength": 1, "pattern": r"^[^/\s]+$"}
    if converter == "int":
        return {"type": "integer", "minimum": 0}
    return {"type": "string", "pattern": f"^{converter}_[0-7][{ALPHABET}]{{25}}$"}


def _query_parameters(query: type[Query], *, sparse: bool) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([query], ref_template=REF)
    properties = components[query.__name__]["properties"]
    required = components[query.__name__].get("required", [])
    found = []
    for name, schema in properties.items():
        if name == "fields" and not sparse:
            continue
        entry = {"in": "query", "name": name, "schema": schema, "required": name in required}
        if "array" in str(schema.get("type", "")):
            entry |= {"style": "form", "explode": False}
        found.append(entry)
    return found


def _headers(declared: Operation) -> list[dict[str, Any]]:
    found = []
    if declared.idempotent:
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]+$"}
        found.append(
            {"in": "header", "name": "Idempotency-Key", "required": True, "schema": schema}
        )
    if declared.if_match:
        required = declared.if_match == "required"
        tag = {"type": "string", "pattern": r'^"[0-9]{1,9}"$'}
        found.append({"in": "header", "name": "If-Match", "required": required, "schema": tag})
    if declared.etag:
        tag = {"type": "string", "pattern": r'^"[0-9]{1,9}"$'}
        found.append({"in": "header", "name": "If-None-Match", "required": False, "schema": tag})
    return found


def _responses(declared: Operation, *, has_path: bool) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, body in declared.returns.items():
        if body is None:
            responses[str(204 if status == 200 else status)] = {"description": "Done."}
            continue
        described: dict[str, Any] = {
            "description": "Done.",
            "content": {declared.renders or "application/json": {"schema": _ref(body)}},
        }
        if declared.etag:
            described["headers"] = {"ETag": {"schema": {"type": "string"}}}
        responses[str(status)] = described
    if declared.etag:
        responses["304"] = {"description": "What the caller has is still right."}
    for status, codes in sorted(_problem_codes(declared, has_path=has_path).items()):
        responses[str(status)] = {
            "description": f"{TITLES.get(status, 'Error')}: {', '.join(codes)}.",
            "content": {CONTENT_TYPE: {"schema": _ref(ProblemBody)}},
        }
    return responses


def _problem_codes(declared: Operation, *, has_path: bool) -> dict[int, list[str]]:
    """Status to the codes it may carry: the edge's own and those of the declared errors."""
    found: dict[int, list[str]] = {status: [code] for status, code in declared.problems.items()}

    def add(status: int, code: str) -> None:
        codes = found.setdefault(status, [])
        if code not in codes:
            codes.append(code)

    add(422, "invalid_request")
    add(401, "unauthenticated")
    if has_path:
        add(404, "not_found")
    if declared.access.scopes:
        add(403, "forbidden")
    # Of an operation without a body, too: it refuses one.
    add(400, "malformed_body")
    add(400, "cut_off")
    if declared.needs_length:
        add(411, "length_required")
    add(413, "too_large")
    add(415, "unsupported_media_type")
    if declared.idempotent:
        add(400, "idempotency_key_missing")
        add(409, "idempotency_key_in_use")
        add(422, "idempotency_key_reused")
    if declared.if_match:
        add(412, "stale_version")
        if declared.if_match == "required":
            add(428, "precondition_required")
    for error in declared.errors:
        add(status_of(error), error.code)
    add(406, "not_acceptable")
    add(503, "unavailable")
    add(503, "database_unavailable")
    add(504, "deadline_exceeded")
    return found


def _security(access: Access) -> list[dict[str, list[str]]]:
    if access.strangers:
        return []
    ways: list[dict[str, list[str]]] = [{"accessToken": []}, {"apiKey": []}]
    return [*ways, {"cartToken": []}] if access.guests else ways

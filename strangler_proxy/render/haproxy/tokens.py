"""HAProxy's check of access tokens: RS256 and ES256, with one key in a PEM file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from strangler_proxy.config import Authentication, Document
from strangler_proxy.render.haproxy.text import acl, expression, quoted
from strangler_proxy.render.plan import SCOPES, SUBJECT, asks_for_identity

NOT_A_JWT = r"^[^.]*([.][^.]*)?$|([^.]*[.]){3}"


def can_verify(rules: Authentication) -> bool:
    """HAProxy knows neither EdDSA nor a set of published keys."""
    return rules.keys.file is not None and "EdDSA" not in rules.algorithms


def key_file(rules: Authentication) -> str:
    """Where the key is expected: the published keys' file with another ending."""
    stem = (rules.keys.file or "").removesuffix(".json").removesuffix(".jwks")
    return f"{stem}.pem"


def token_rules(document: Document) -> Iterator[str]:
    """Conditions: ``several_tokens``, ``bearer``, ``preflight``.

    Where tokens can be verified also ``token_valid``, ``opaque_token`` and ``staff``, and the
    variables ``txn.subject`` and ``txn.scopes``.
    """
    rules = document.authentication
    if rules is None or not asks_for_identity(document):
        return
    several = expression("^bearer .*,|, *bearer ")
    yield from acl(
        "several_tokens",
        "req.fhdr_cnt(authorization) gt 1",
        f"req.fhdr(authorization) -m reg -i {several}",
    )
    yield from acl("bearer", "req.fhdr(authorization) -m beg -i 'bearer '")
    yield from acl("preflight", "var(txn.preflight) -m found")
    asking = "{ req.hdr(origin) -m found } { req.hdr(access-control-request-method) -m found }"
    yield f"http-request set-var(txn.preflight) bool(true) if METH_OPTIONS {asking} !bearer"
    if not can_verify(rules):
        return
    yield "http-request set-var(txn.token) http_auth_bearer"
    yield from acl("opaque_token", f"var(txn.token) -m reg {expression(NOT_A_JWT)}")
    yield from _claims(rules)
    yield from _validity(rules)
    yield from _identity(rules)


def _claims(rules: Authentication) -> Iterator[str]:
    texts = {"iss": "$.iss", "sub": "$.sub", "aud": "$.aud", "aud0": "$.aud[0]", "scope": "$.scope"}
    for name, path in (texts | {"kind": f"$.{rules.staff_claim}"}).items():
        yield f"http-request set-var(txn.{name}) 'var(txn.token),jwt_payload_query({path})'"
    for name in ("alg", "typ"):
        yield f"http-request set-var(txn.{name}) 'var(txn.token),jwt_header_query($.{name})'"
    for name in ("exp", "iat", "nbf"):
        yield f"http-request set-var(txn.{name}) 'var(txn.token),jwt_payload_query($.{name},int)'"
    yield "http-request set-var(txn.now) date"


def _validity(rules: Authentication) -> Iterator[str]:
    leeway = math.ceil(rules.leeway_seconds)
    yield from acl(
        "audience",
        *(f"var(txn.{name}) -m str {quoted(rules.audience)}" for name in ("aud", "aud0")),
    )
    signed = f"var(txn.token),jwt_verify(txn.alg,{quoted(key_file(rules))})"
    tests = [
        f"{{ var(txn.alg) -m str {' '.join(rules.algorithms)} }}",
        f"{{ var(txn.iss) -m str {quoted(rules.issuer)} }}",
        "audience",
        "{ var(txn.sub) -m reg ^[!-~]{1,255}$ }",
        f"{{ 'var(txn.exp),add({leeway}),sub(txn.now)' -m int gt 0 }}",
        f"{{ 'var(txn.iat),sub(txn.now)' -m int le {leeway} }}",
        f"!{{ 'var(txn.nbf),sub(txn.now)' -m int gt {leeway} }}",
        f"{{ '{signed}' -m int 1 }}",
    ]
    if rules.token_type is not None:
        typ = expression(f"^(application/)?{re.escape(rules.token_type)}$")
        tests.insert(0, f"{{ var(txn.typ) -m reg -i {typ} }}")
    yield "http-request set-var(txn.valid) bool(true) if " + " ".join(tests)
    yield from acl("token_valid", "var(txn.valid) -m found")


def _identity(rules: Authentication) -> Iterator[str]:
    word = expression(f"(^| ){re.escape(rules.staff_word)}( |$)")
    yield "http-request set-var(txn.subject) var(txn.sub) if token_valid"
    yield "http-request set-var(txn.scopes) var(txn.scope) if token_valid"
    has_word = f"{{ var(txn.kind) -m reg {word} }}"
    yield f"http-request set-var(txn.staff) bool(true) if token_valid {has_word}"
    yield from acl("staff", "var(txn.staff) -m found")
    yield f"http-request set-header {SUBJECT} %[var(txn.subject)] if token_valid"
    some = "{ var(txn.scopes) -m len gt 0 }"
    yield f"http-request set-header {SCOPES} %[var(txn.scopes)] if token_valid {some}"
    yield "http-request set-header ficus-staff true if staff"

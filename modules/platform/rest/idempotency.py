"""``Idempotency-Key``: the same key gives the same answer, byte for byte, for 24 hours.

Follows the IETF draft "The Idempotency-Key HTTP Header Field": missing 400, still running 409,
other body 422. The record lives in the schema of the module whose operation it is, so a retry
that spans an extraction finds its answer on the other side.

A key also has a subject: the id of what its request makes. A request that dies leaves no answer,
but perhaps what it made; who takes its key over is given the same id, and finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import connections
from django.http import HttpResponse

from modules.platform.contracts import Actor
from modules.platform.databases import alias_of
from modules.platform.rest.identifiers import new_id
from modules.platform.rest.problems import Problem

KEPT = timedelta(hours=48)  # twice what is promised
# A request that died leaves its record running; after this a retry may take it over. Longer
# than any web request may last, and safe because the same key has the same subject.
TAKEOVER = timedelta(seconds=60)
KEPT_HEADERS = ("ETag", "Location", "Content-Type", "Retry-After")
MAX_LENGTH = 255

_CLAIM = """
INSERT INTO idempotency_record AS r (digest, request_hash, started_at, subject, headers)
VALUES (%s, %s, %s, %s, '{}')
ON CONFLICT (digest) DO UPDATE
    SET started_at = excluded.started_at, subject = coalesce(r.subject, excluded.subject)
    WHERE r.answered_at IS NULL AND r.started_at < %s AND r.request_hash = excluded.request_hash
RETURNING subject
"""
_READ = """
SELECT request_hash, answered_at, status, headers::text, body
FROM idempotency_record WHERE digest = %s
"""
_FORGET = "DELETE FROM idempotency_record WHERE digest = %s"
_LEAVE = "UPDATE idempotency_record SET started_at = %s WHERE digest = %s AND answered_at IS NULL"
_PURGE = "DELETE FROM idempotency_record WHERE started_at < %s"
_ANSWER = """
UPDATE idempotency_record SET answered_at = %s, status = %s, headers = %s, body = %s
WHERE digest = %s
"""


def required_key(value: str | None) -> str:
    """The header's value. Raises Problem 400 when it is missing or too long."""
    if not value:
        raise Problem(400, "idempotency_key_missing", "Send an Idempotency-Key header.")
    if len(value) > MAX_LENGTH or not value.isprintable():
        raise Problem(
            400, "idempotency_key_invalid", "The Idempotency-Key has 1 to 255 characters."
        )
    return value


def once(
    module: str,
    *,
    actor: Actor,
    operation: str,
    key: str,
    body: bytes,
    run: Callable[[UUID], HttpResponse],
) -> HttpResponse:
    """Run the request with the key's subject, or replay what it answered before.

    Raises Problem 409 while it runs elsewhere and 422 when the key came with another body.
    After a 5xx answer or a 421 (another host has the authority; it may come back) nothing is kept,
    and the key is free. After an exception, and a 409 that says to ask again, something may be
    there: the next request with the key takes over at once, with the same subject.
    """
    who = actor.id or ",".join(sorted(actor.owners))
    digest = hashlib.sha256(f"{who}\n{operation}\n{key}".encode()).digest()
    request_hash = hashlib.sha256(body).digest()
    subject = _claim(module, digest, request_hash)
    if subject is None:
        return _replay(module, digest, request_hash)
    try:
        response = run(subject)
        _settle(module, digest, response)
    except BaseException:
        _leave(module, digest)
        raise
    return response


def purge(module: str, *, now: datetime) -> int:
    """Drop records older than KEPT; how many."""
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_PURGE, [now - KEPT])
        return int(cursor.rowcount)


def _claim(module: str, digest: bytes, request_hash: bytes) -> UUID | None:
    """The key's subject; None when the key is not to be had."""
    now = datetime.now(UTC)
    values: list[Any] = [digest, request_hash, now, new_id(), now - TAKEOVER]
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_CLAIM, values)
        found = cursor.fetchone()
    return found[0] if found else None


def _replay(module: str, digest: bytes, request_hash: bytes) -> HttpResponse:
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_READ, [digest])
        row = cursor.fetchone()
    known_hash, answered_at, status, headers, body = row or (request_hash, None, None, "{}", None)
    if bytes(known_hash) != request_hash:
        raise Problem(
            422, "idempotency_key_reused", "This Idempotency-Key came with another request before."
        )
    if answered_at is None:
        raise Problem(
            409,
            "idempotency_key_in_use",
            "The request with this Idempotency-Key is still running.",
            headers={"Retry-After": "1"},
        )
    response = HttpResponse(bytes(body or b""), status=status)
    for name, value in msgspec.json.decode(headers).items():
        response[name] = value
    response["Idempotent-Replayed"] = "true"
    return response


def _settle(module: str, digest: bytes, response: HttpResponse) -> None:
    if response.status_code >= 500 or response.status_code == 421:
        _forget(module, digest)
    elif response.status_code == 409 and "Retry-After" in response:
        _leave(module, digest)
    else:
        _remember(module, digest, response)


def _remember(module: str, digest: bytes, response: HttpResponse) -> None:
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    values: list[Any] = [
        datetime.now(UTC),
        response.status_code,
        msgspec.json.encode(headers).decode(),
        response.content,
        digest,
    ]
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_ANSWER, values)


def _leave(module: str, digest: bytes) -> None:
    """The request has ended without an answer: the next one may take over at once.

    If it has lost its session, this is said over another.
    """
    connection = connections[alias_of(module)]
    if not connection.is_usable():
        connection.close()
    with connection.cursor() as cursor:
        cursor.execute(_LEAVE, [datetime.now(UTC) - 2 * TAKEOVER, digest])


def _forget(module: str, digest: bytes) -> None:
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_FORGET, [digest])

"""Answers that the front door makes by itself, as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate

from strangler_proxy.errors import PROBLEM, Field, Refusal
from strangler_proxy.wire.heads import lines

_REASONS = {200: b"OK", 204: b"No Content", 304: b"Not Modified"}


def status_line(status: int) -> bytes:
    """With the reason phrase that RFC 9110 gives, if it gives one."""
    reason = _REASONS.get(status)
    if reason is None:
        reason = _REASONS[status] = _reason(status)
    return b"HTTP/1.1 %d %b\r\n" % (status, reason)


def _reason(status: int) -> bytes:
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Status"


def answer(
    status: int,
    fields: Iterable[Field],
    body: bytes,
    *,
    more: bytes = b"",
    head_only: bool = False,
) -> bytes:
    """A whole answer. ``more``: lines that are ready. No Content-Length where none may stand."""
    length = b"" if status in (204, 304) else b"Content-Length: %d\r\n" % len(body)
    date = b"Date: %b\r\n" % formatdate(usegmt=True).encode()
    head = status_line(status) + lines(fields) + date + length + more + b"\r\n"
    return head if head_only or status in (204, 304) else head + body


def problem_answer(
    refusal: Refusal, request_id: str, *, more: bytes = b"", head_only: bool = False
) -> bytes:
    """A refusal as problem+json, never stored by a cache."""
    fields = ((b"Content-Type", PROBLEM), (b"Cache-Control", b"no-store"), *refusal.headers)
    body = refusal.body(request_id)
    return answer(refusal.status, fields, body, more=more, head_only=head_only)

"""Lists by opaque keyset cursors: constant cost on any page, no COUNT."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import Model, Q, QuerySet

from modules.platform.rest.problems import Problem

T = TypeVar("T")
M = TypeVar("M", bound=Model)


class Query(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A view's query parameters. Fields are the parameters; ``price__gte`` is ``field__op``.

    Every GET understands ``fields``: the comma-separated keys to keep.
    """

    fields: Annotated[
        str,
        msgspec.Meta(
            max_length=500,
            description="Keep only these comma-separated keys of the answer, or of each entry of "
            "`data`; the answer then lacks the others, also those that its schema requires.",
        ),
    ] = ""


class ListQuery(Query, kw_only=True):
    """A list's query parameters."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    cursor: str = ""


class Page(msgspec.Struct, Generic[T], kw_only=True):
    """One page of a list; ``next`` and ``previous`` are cursors, or null at an end."""

    data: list[T]
    next: str | None = None
    previous: str | None = None


def keyset(
    rows: QuerySet[M], *, order: Sequence[str], cursor: str, limit: int
) -> tuple[list[M], str | None, str | None]:
    """One page of ``rows`` by ``order`` (field names, ``-`` for descending, unique together).

    Gives the rows, the next cursor and the previous one. Raises Problem 422 for a cursor that
    this function did not make.
    """
    backwards, position = _read(cursor, len(order))
    sequence = [_flip(name) if backwards else name for name in order]
    try:
        if position is not None:
            rows = rows.filter(_after(sequence, position))
        found: list[Any] = list(rows.order_by(*sequence)[: limit + 1])
    except (ValidationError, ValueError, TypeError, DataError) as error:
        if position is None:
            raise
        raise _bad_cursor() from error  # well-formed, but of another list
    more = len(found) > limit
    found = found[:limit]
    if backwards:
        found.reverse()
    if not found:
        return [], None, None
    forward = more if not backwards else True
    back = position is not None if not backwards else more
    return (
        found,
        _write(False, order, found[-1]) if forward else None,
        _write(True, order, found[0]) if back else None,
    )


def _flip(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _after(order: Sequence[str], position: Sequence[Any]) -> Q:
    clause = Q()
    for depth, name in enumerate(order):
        field, op = (name[1:], "lt") if name.startswith("-") else (name, "gt")
        same = {o.lstrip("-"): v for o, v in zip(order[:depth], position, strict=False)}
        clause |= Q(**same, **{f"{field}__{op}": position[depth]})
    # The leading column's own bound lets the index start at the right place.
    lead, op = (order[0][1:], "lte") if order[0].startswith("-") else (order[0], "gte")
    return Q(**{f"{lead}__{op}": position[0]}) & clause


def _write(backwards: bool, order: Sequence[str], row: Any) -> str:
    values = [_value(row, name.lstrip("-")) for name in order]
    data = msgspec.json.encode([backwards, *values])
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _value(row: Any, path: str) -> Any:
    for name in path.split("__"):
        row = getattr(row, name)
    return row


def _read(cursor: str, width: int) -> tuple[bool, list[Any] | None]:
    if not cursor:
        return False, None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        backwards, *position = msgspec.json.decode(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, binascii.Error, msgspec.MsgspecError) as error:
        raise _bad_cursor() from error
    scalars = all(isinstance(value, str | int | float) for value in position)
    if not isinstance(backwards, bool) or len(position) != width or not scalars:
        raise _bad_cursor()
    return backwards, position


def _bad_cursor() -> Problem:
    return Problem.invalid("query/cursor", "not a cursor of this list", code="bad_cursor")

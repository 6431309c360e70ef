"""Lists of products: one SQL over one table (and the category's name), keyset paged.

At 100,000 products each order is an index; measured in tests/benchmarks.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import connections

from modules.catalog.queries.filters import Wanted, conditions
from modules.platform.databases import alias_of


class Sort(StrEnum):
    """The orders a list can have."""

    NEWEST = "newest"
    PRICE = "price"
    PRICE_DOWN = "-price"
    NAME = "name"
    NAME_DOWN = "-name"


class ProductRow(NamedTuple):
    """A product as lists show it."""

    id: UUID
    slug: str
    name: str
    brand: str
    status: str
    price_amount: int
    price_currency: str
    skus: list[str]
    image_url: str
    listed_at: datetime
    category_id: UUID | None
    category_slug: str | None
    category_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPage:
    """One page; the cursors are opaque text or None at an end."""

    rows: Sequence[ProductRow]
    next: str | None
    previous: str | None


class BadCursor(ValueError):
    """The cursor was not made for this list and order."""


@dataclass(frozen=True, slots=True)
class _Order:
    column: str
    descending: bool
    kind: Any  # the type of the leading value in a cursor
    row_field: str


_ORDERS = {
    Sort.NEWEST: _Order("p.listed_at", True, datetime, "listed_at"),
    Sort.PRICE: _Order("p.price_amount", False, int, "price_amount"),
    Sort.PRICE_DOWN: _Order("p.price_amount", True, int, "price_amount"),
    Sort.NAME: _Order("p.name", False, str, "name"),
    Sort.NAME_DOWN: _Order("p.name", True, str, "name"),
}
_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {
    datetime: msgspec.json.Decoder(tuple[bool, str, datetime, UUID]),
    int: msgspec.json.Decoder(tuple[bool, str, int, UUID]),
    str: msgspec.json.Decoder(tuple[bool, str, str, UUID]),
}
_BIGINT = 2**63
_LIST = """
SELECT p.id, p.slug, p.name, p.brand, p.status, p.price_amount, p.price_currency, p.skus,
       p.image_url, p.listed_at, c.id, c.slug, c.name
FROM catalog_product p LEFT JOIN catalog_category c ON c.id = p.category_id
WHERE {where} ORDER BY {column} {way}, p.id {way} LIMIT %s
"""


def product_page(
    wanted: Wanted, *, sort: Sort, cursor: str, limit: int, now: datetime
) -> ProductPage:
    """One page of the products that are ``wanted``: one query, two by category.

    Raises BadCursor.
    """
    order = _ORDERS[sort]
    backwards, position = _read(cursor, sort, order)
    descending = order.descending != backwards
    found = conditions(wanted, now=now)
    if position is not None:
        found.add(f"({order.column}, p.id) {'<' if descending else '>'} (%s, %s)", *position)
    sql = _LIST.format(where=found.sql(), column=order.column, way="DESC" if descending else "ASC")
    with connections[alias_of("catalog")].cursor() as database:
        database.execute(sql, (*found.parameters, limit + 1))
        rows = [ProductRow._make(row) for row in database.fetchall()]
    more, rows = len(rows) > limit, rows[:limit]
    if backwards:
        rows.reverse()
    forward = bool(rows) and (more or backwards)
    back = bool(rows) and (more if backwards else position is not None)
    return ProductPage(
        rows=rows,
        next=_write(False, sort, order, rows[-1]) if forward else None,
        previous=_write(True, sort, order, rows[0]) if back else None,
    )


def _write(backwards: bool, sort: Sort, order: _Order, row: ProductRow) -> str:
    data = msgspec.json.encode((backwards, sort, getattr(row, order.row_field), row.id))
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _read(cursor: str, sort: Sort, order: _Order) -> tuple[bool, tuple[Any, UUID] | None]:
    if not cursor:
        return False, None
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        backwards, made_for, lead, last = _DECODERS[order.kind].decode(data)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadCursor(cursor) from error
    if made_for != sort or (isinstance(lead, int) and abs(lead) >= _BIGINT):
        raise BadCursor(cursor)
    if isinstance(lead, datetime) and lead.tzinfo is None:
        raise BadCursor(cursor)
    if isinstance(lead, str) and "\x00" in lead:
        raise BadCursor(cursor)
    return backwards, (lead, last)

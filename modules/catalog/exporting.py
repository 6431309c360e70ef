"""The whole catalogue as the CSV that the import reads: one row a SKU, streamed."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from decimal import Decimal
from io import StringIO
from itertools import islice
from typing import Any
from uuid import UUID

from modules.catalog.importing.rows import COLUMNS
from modules.catalog.models import Variant
from modules.catalog.queries.stock import MAX_SKUS, stock_of
from modules.catalog.queries.tree import Node, whole_tree
from modules.platform.contracts.money import EXPONENTS

_FIELDS = (
    "sku",
    "product__name",
    "price_amount",
    "product__description",
    "product__category_id",
    "product__brand",
    "price_currency",
    "product__slug",
    "name",
    "product__tax_class_id",
    "weight_grams",
    "max_per_order",
    "product__image_url",
    "product__status",
)


def export_pieces() -> Iterator[tuple[int, str]]:
    """How many SKUs, and their CSV text, in pieces of some hundred; the header first.

    Stock is empty for SKUs that inventory does not know, and for all while it cannot answer, so
    that importing the file again never sets a stock nobody stated.
    """
    yield 0, _text([COLUMNS])
    paths = dict(_paths(whole_tree(), ()))
    rows = Variant.objects.order_by("product_id", "position", "id").values_list(*_FIELDS)
    source = rows.iterator(chunk_size=MAX_SKUS)
    while batch := list(islice(source, MAX_SKUS)):
        yield len(batch), _text(_cells(batch, paths))


def major_units(amount: int, currency: str) -> str:
    """1999 as ``19.99``."""
    return str(Decimal(amount).scaleb(-EXPONENTS.get(currency, 2)))


def _cells(batch: Sequence[tuple[Any, ...]], paths: dict[UUID, str]) -> Iterator[list[Any]]:
    known = stock_of(row[0] for row in batch) or {}
    for row in batch:
        (sku, name, amount, description, category, brand, currency, *rest, image, status) = row
        stock = known[sku].on_hand if sku in known else ""
        price = major_units(amount, currency)
        yield [
            sku,
            name,
            price,
            description,
            paths.get(category, ""),
            brand,
            currency,
            stock,
            *rest,
            # A file of ours has no address that another shop could fetch.
            image if image.startswith("http") else "",
            status,
        ]


def _paths(nodes: list[Node], above: tuple[str, ...]) -> Iterator[tuple[UUID, str]]:
    for node in nodes:
        names = (*above, node.name)
        yield node.id, " > ".join(names)
        yield from _paths(node.children, names)


def _text(rows: Any) -> str:
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()

"""Rows of the file as checked values, and their grouping into orders. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from modules.platform.contracts.money import EXPONENTS

COLUMNS = ("order", "ordered_at", "customer", "sku", "quantity", "unit_price")
LONGEST = {"order": 100, "customer": 90, "sku": 64}
MOST = 100_000  # pieces on a line
DEAREST = 10**12  # minor units


class BadRow(ValueError):
    """The row cannot be taken; the message says which column and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One checked row. ``price`` is in minor units."""

    line: int
    order: str
    ordered_at: datetime
    customer: str
    sku: str
    quantity: int
    price: int


@dataclass(slots=True)
class Basket:
    """The rows of one order; ``errors`` are those of its rows, by line."""

    order: str
    last_line: int
    rows: list[Row] = field(default_factory=list)
    errors: list[tuple[int, str]] = field(default_factory=list)
    count: int = 0


def baskets(records: Iterable[tuple[int, list[str]]], currency: str) -> Iterator[Basket]:
    """Group consecutive records of the same order. A record is a line number and COLUMNS' cells."""
    scale = Decimal(10) ** EXPONENTS.get(currency, 2)
    basket: Basket | None = None
    for line, cells in records:
        name = cells[0].strip() if cells else ""
        if basket is None or name != basket.order:
            if basket is not None:
                yield basket
            basket = Basket(order=name, last_line=line)
        basket.last_line, basket.count = line, basket.count + 1
        try:
            row = read_row(line, cells, scale)
            _check_same(basket, row)
        except BadRow as error:
            basket.errors.append((line, str(error)))
        else:
            basket.rows.append(row)
    if basket is not None:
        yield basket


def read_row(line: int, cells: list[str], scale: Decimal) -> Row:
    """Raises BadRow."""
    if len(cells) != len(COLUMNS):
        raise BadRow(f"{len(cells)} columns, {len(COLUMNS)} are needed: {', '.join(COLUMNS)}")
    order, ordered_at, customer, sku, quantity, price = (cell.strip() for cell in cells)
    for name, value in (("order", order), ("customer", customer), ("sku", sku)):
        if not value or len(value) > LONGEST[name] or "\x00" in value:
            raise BadRow(f"{name}: 1 to {LONGEST[name]} characters are needed")
    return Row(
        line=line,
        order=order,
        ordered_at=_time(ordered_at),
        customer=customer,
        sku=sku,
        quantity=_quantity(quantity),
        price=_price(price, scale),
    )


def _check_same(basket: Basket, row: Row) -> None:
    if not basket.rows:
        return
    first = basket.rows[0]
    if row.customer != first.customer:
        raise BadRow(f"customer: {row.customer} here, {first.customer} on line {first.line}")
    if row.ordered_at != first.ordered_at:
        raise BadRow(f"ordered_at: another time than on line {first.line}")


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow(f"ordered_at: {text!r} is no ISO 8601 time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _quantity(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:10]) <= MOST:
        raise BadRow(f"quantity: {text!r} is no whole number from 1 to {MOST:,}")
    return int(text)


def _price(text: str, scale: Decimal) -> int:
    try:
        minor = Decimal(text) * scale
    except InvalidOperation:
        raise BadRow(f"unit_price: {text!r} is no amount") from None
    if not minor.is_finite() or not 0 <= minor <= DEAREST or minor != minor.to_integral_value():
        raise BadRow(f"unit_price: {text!r} is no amount of at least 0 in whole minor units")
    return int(minor)

"""A line of products.csv as a typed row, or the reason why it is none."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from modules.catalog.domain import CURRENCY, MAX_AMOUNT, MAX_DEPTH, SKU, SLUG, ProductStatus
from modules.platform.contracts.money import EXPONENTS

REQUIRED = ("sku", "name", "price")
OPTIONAL = (
    "description",
    "category",
    "brand",
    "currency",
    "stock",
    "product",
    "variant",
    "tax_class",
    "weight_grams",
    "max_per_order",
    "image_url",
    "status",
)
COLUMNS = (*REQUIRED, *OPTIONAL)
MAX_INTEGER = 2_000_000_000  # what an integer column holds
MAX_CELL = 1_000_000  # characters; the csv module's own limit is lower
_WIDTHS = {"name": 200, "brand": 100, "variant": 100, "description": 20_000, "image_url": 1000}


class BadHeader(ValueError):
    """The file's first line is not a header of products; the message says what is wrong."""


class BadRow(ValueError):
    """The row cannot be loaded; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """Why a line was not loaded. ``line`` counts from 1, the header included."""

    line: int
    sku: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One SKU as the file has it. None: the file has no such column, so what is known stays.

    ``amount`` is in minor units; ``product`` is the slug that joins the variants of a product.
    """

    line: int
    end: int
    sku: str
    name: str
    amount: int
    currency: str
    description: str | None = None
    category: tuple[str, ...] | None = None
    brand: str | None = None
    stock: int | None = None
    product: str = ""
    variant: str | None = None
    tax_class: str | None = None
    weight_grams: int | None = None
    max_per_order: int | None = None
    image_url: str | None = None
    status: ProductStatus | None = None


def read_rows(
    lines: Iterable[str], *, currency: str, after: int = 0
) -> Iterator[tuple[int, Row | RowError]]:
    """Each record after line ``after`` with the line it ends on: a row, or why it is none.

    ``currency`` is used where a row gives none. Raises BadHeader.
    """
    csv.field_size_limit(MAX_CELL)
    source = iter(lines)
    first = next(source, "")
    reader = csv.reader(source, delimiter=_delimiter(first))
    header = _header(first)
    seen: set[str] = set()
    while True:
        start = reader.line_num + 2
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield reader.line_num + 1, RowError(line=start, sku="", reason=f"not CSV: {error}")
            continue
        if cells is None:
            return
        end = reader.line_num + 1
        if not any(cells):
            continue
        found = _row(header, cells, start, end, currency, seen)
        if end > after:
            yield end, found


def _delimiter(first: str) -> str:
    return ";" if ";" in first and "," not in first else ","


def _header(first: str) -> list[str]:
    cells = next(csv.reader([first.lstrip("\ufeff")], delimiter=_delimiter(first)), [])
    header = [name.strip().lower().replace(" ", "_") for name in cells]
    if header and (path := "category_path") in header:
        header[header.index(path)] = "category"
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    double = sorted({name for name in header if header.count(name) > 1})
    for names, what in ((missing, "lacks"), (unknown, "does not know"), (double, "repeats")):
        if names:
            raise BadHeader(f"the header {what}: {', '.join(names)} (known: {', '.join(COLUMNS)})")
    return header


def _row(
    header: list[str], cells: list[str], start: int, end: int, currency: str, seen: set[str]
) -> Row | RowError:
    given = dict(zip(header, (cell.strip() for cell in cells), strict=False))
    sku = given.get("sku", "")
    try:
        if len(cells) != len(header):
            raise BadRow(f"it has {len(cells)} cells and the header {len(header)}")
        row = _typed(given, start, end, currency)
        if sku in seen:
            raise BadRow("the SKU stands in the file twice")
    except BadRow as error:
        return RowError(line=start, sku=sku[:64], reason=str(error))
    seen.add(sku)
    return row


def _typed(given: Mapping[str, str], start: int, end: int, currency: str) -> Row:
    _check_texts(given)
    money = given.get("currency") or currency
    if not CURRENCY.fullmatch(money):
        raise BadRow(f"currency {money!r} is not an ISO 4217 code such as EUR")
    return Row(
        line=start,
        end=end,
        sku=given["sku"],
        name=given["name"],
        amount=minor_units(given["price"], money),
        currency=money,
        description=given.get("description"),
        category=_path(given["category"]) if "category" in given else None,
        brand=given.get("brand"),
        stock=_count(given, "stock"),
        product=_slug(given.get("product", "")),
        variant=given.get("variant"),
        tax_class=given.get("tax_class") or None,
        weight_grams=_count(given, "weight_grams"),
        max_per_order=_count(given, "max_per_order"),
        image_url=_url(given.get("image_url")),
        status=_status(given.get("status", "")),
    )


def minor_units(text: str, currency: str) -> int:
    """``19.99`` as 1999. Raises BadRow."""
    try:
        amount = Decimal(text).scaleb(EXPONENTS.get(currency, 2))
    except InvalidOperation as error:
        raise BadRow(f"price {text!r} is not a number such as 19.99") from error
    if not amount.is_finite() or not 0 <= amount <= MAX_AMOUNT:
        raise BadRow(f"price {text!r} is not between 0 and 10 billion")
    if amount != amount.to_integral_value():
        raise BadRow(f"price {text!r} has more decimals than {currency}")
    return int(amount)


def _check_texts(given: Mapping[str, str]) -> None:
    if not SKU.fullmatch(given["sku"]):
        raise BadRow("the SKU must be 1 to 64 letters, digits and . _ : + ~ -")
    if not given["name"]:
        raise BadRow("the name is empty")
    for name, width in _WIDTHS.items():
        if len(given.get(name, "")) > width:
            raise BadRow(f"{name} is longer than {width} characters")
    for name, text in given.items():
        # What was not UTF-8 arrives as lone surrogates; PostgreSQL stores neither these nor NUL.
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise BadRow(f"{name} holds characters that cannot be stored; is the file UTF-8?")


def _path(text: str) -> tuple[str, ...]:
    names = tuple(" ".join(name.split()) for name in text.split(">")) if text else ()
    if len(names) > MAX_DEPTH:
        raise BadRow(f"category {text!r} is more than {MAX_DEPTH} deep")
    if any(not name or len(name) > 100 for name in names):
        raise BadRow(f"category {text!r} has an empty or too long name; write A > B > C")
    return names


def _count(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text[:20]) > MAX_INTEGER:
        raise BadRow(f"{name} {text[:40]!r} is not a whole number from 0")
    return int(text)


def _slug(text: str) -> str:
    if text and (len(text) > 200 or not SLUG.fullmatch(text)):
        raise BadRow(f"product {text[:40]!r} is not a slug such as green-tea")
    return text


def _url(text: str | None) -> str | None:
    if text and not text.startswith(("https://", "http://")):
        raise BadRow(f"image_url {text[:40]!r} does not start with https://")
    return text


def _status(text: str) -> ProductStatus | None:
    if not text:
        return None
    try:
        return ProductStatus(text.lower())
    except ValueError as error:
        raise BadRow(f"status {text[:40]!r} is not one of draft, published, archived") from error

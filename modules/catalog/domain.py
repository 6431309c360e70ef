"""Rules of the catalogue: what a product may become, what a value may be. No Django."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from modules.catalog.contract import AttributeInvalid, NotPublishable

MAX_AMOUNT = 10**12  # minor units; times a cart's largest quantity it still fits a bigint
MAX_DEPTH = 10  # categories below one another
MAX_VARIANTS = 100  # of one product
LOW_PRICE_DAYS = 30  # the period of the lowest price (EU directive 98/6/EC, article 6a)
SKU = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+~-]{0,63}")
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
CURRENCY = re.compile(r"[A-Z]{3}")
MAX_TEXT = 1_000  # characters of an attribute's text
MAX_NUMBER = 2**53  # beyond it JSON numbers lose digits

AttributeValue = str | int | float | bool


class ProductStatus(StrEnum):
    """Where a product stands. Only ``published`` ones are seen and sold."""

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class AttributeType(StrEnum):
    """What values an attribute takes. Dates are ISO 8601 text; ``enum`` takes one option."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOL = "bool"
    ENUM = "enum"
    DATE = "date"


class CollectionKind(StrEnum):
    """Who decides what is in a collection: a person, or a rule that is always current."""

    MANUAL = "manual"
    RULE = "rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What an attribute may be. ``options`` are for ``enum`` only."""

    code: str
    type: AttributeType
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a rule-based collection holds: products that meet everything that is set.

    ``category`` is a slug and includes what is below it; prices are in minor units.
    """

    category: str = ""
    brands: tuple[str, ...] = ()
    price_gte: int | None = None
    price_lte: int | None = None
    newer_than_days: int | None = None

    def says_something(self) -> bool:
        return self != Rule()


def checked_attributes(
    values: Mapping[str, object], definitions: Sequence[Definition]
) -> dict[str, AttributeValue]:
    """``values`` by attribute code as they are stored. Raises AttributeInvalid."""
    known = {definition.code: definition for definition in definitions}
    for code in values:
        if code not in known:
            raise AttributeInvalid(attribute=code, reason="no such attribute is defined")
    return {code: checked_value(known[code], value) for code, value in values.items()}


def checked_value(definition: Definition, value: object) -> AttributeValue:
    """``value`` if the definition allows it. Raises AttributeInvalid with the reason."""
    match definition.type, value:
        case AttributeType.BOOL, bool():
            return value
        case AttributeType.INTEGER, int() if not isinstance(value, bool):
            if abs(value) <= MAX_NUMBER:
                return value
        case AttributeType.NUMBER, int() | float() if not isinstance(value, bool):
            if math.isfinite(value) and abs(value) <= MAX_NUMBER:
                return value
        case AttributeType.TEXT, str() if 0 < len(value) <= MAX_TEXT:
            return value
        case AttributeType.ENUM, str() if value in definition.options:
            return value
        case AttributeType.DATE, str() if _is_date(value):
            return value
    raise AttributeInvalid(attribute=definition.code, reason=_expectation(definition))


def read_value(definition: Definition, text: str) -> AttributeValue:
    """``text`` from a query string or a CSV cell as a value. Raises AttributeInvalid."""
    value: object = text
    try:
        if definition.type is AttributeType.BOOL:
            value = {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        elif definition.type is AttributeType.INTEGER:
            value = int(text)
        elif definition.type is AttributeType.NUMBER:
            value = float(text)
    except (ValueError, KeyError):
        value = text
    return checked_value(definition, value)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _expectation(definition: Definition) -> str:
    match definition.type:
        case AttributeType.ENUM:
            return f"expected one of {', '.join(definition.options)}"
        case AttributeType.TEXT:
            return f"expected text of 1 to {MAX_TEXT} characters"
        case AttributeType.BOOL:
            return "expected true or false"
        case AttributeType.DATE:
            return "expected a date such as 2026-01-31"
        case AttributeType.INTEGER:
            return f"expected a whole number within {MAX_NUMBER}"
        case AttributeType.NUMBER:
            return f"expected a number within {MAX_NUMBER}"


def check_publishable(*, reference: str, name: str, variants: int) -> None:
    """Raises NotPublishable when a shopper could not buy it."""
    if not name.strip():
        raise NotPublishable(reference=reference, reason="it has no name")
    if not variants:
        raise NotPublishable(reference=reference, reason="it has no variant to buy")


def slugify(text: str) -> str:
    """``text`` as lower-case ASCII words joined by hyphens; empty when none are left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def slug_for(name: str, item: UUID) -> str:
    """A slug that nobody else has: the name's words and the random tail of the id."""
    return f"{slugify(name)[:150].strip('-') or 'item'}-{item.hex[-10:]}"

"""What a batch of rows makes of the catalogue: pure comparison, nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from modules.catalog.domain import MAX_VARIANTS, ProductStatus, slug_for
from modules.catalog.importing.rows import BadRow, Row, RowError
from modules.catalog.models import Product, Variant
from modules.platform.contracts import Money
from modules.platform.rest.identifiers import new_id

_PRODUCT = ("name", "description", "brand", "category_id", "tax_class_id", "status", "image_url")
_VARIANT = ("name", "price_amount", "price_currency", "weight_grams", "max_per_order")


@dataclass(slots=True)
class Held:
    """A product with all its variants, and how it was before the batch."""

    product: Product
    variants: dict[str, Variant]
    is_new: bool = False
    before: tuple[object, ...] = ()
    was: str = ""

    def __post_init__(self) -> None:
        self.before, self.was = self.state(), self.product.status

    def state(self) -> tuple[object, ...]:
        return tuple(getattr(self.product, name) for name in _PRODUCT)


@dataclass(frozen=True, slots=True)
class Repriced:
    """A SKU and what it cost before."""

    variant: Variant
    before: Money


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What is to be written. Each accepted row is in exactly one of the three counts."""

    touched: dict[UUID, Held] = field(default_factory=dict)
    new_variants: list[Variant] = field(default_factory=list)
    changed_variants: list[Variant] = field(default_factory=list)
    repriced: list[Repriced] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    accepted: list[Row] = field(default_factory=list)
    created: int = 0
    changed: int = 0
    unchanged: int = 0


class Batch:
    """Compares rows with what is held. ``category_id`` turns a path into an id.

    ``described`` are the products whose texts an earlier row has given: of several variants the
    first row speaks for the product, so that a file that disagrees with itself settles.
    """

    def __init__(
        self,
        held: Sequence[Held],
        *,
        category_id: Callable[[tuple[str, ...]], UUID | None],
        tax_classes: frozenset[str],
        described: set[UUID],
        now: datetime,
    ) -> None:
        self.by_sku = {sku: one for one in held for sku in one.variants}
        self.by_slug = {one.product.slug: one for one in held}
        self.category_id, self.tax_classes, self.now = category_id, tax_classes, now
        self.described = described
        self.outcome = Outcome()

    def settle(self, rows: Sequence[Row]) -> Outcome:
        """The outcome of ``rows``, taken in order."""
        for row in rows:
            try:
                self._take(row)
            except BadRow as error:
                refused = RowError(line=row.line, sku=row.sku, reason=str(error))
                self.outcome.errors.append(refused)
        return self.outcome

    def _take(self, row: Row) -> None:
        held = self.by_sku.get(row.sku) or (self.by_slug.get(row.product) if row.product else None)
        self._check(row, held)
        is_new = held is None or row.sku not in held.variants
        if held is None:
            held = self._new_product(row)
        before = held.state()
        if held.product.id not in self.described:
            self.described.add(held.product.id)
            self._describe(held.product, row)
        variant_changed = self._add(held, row) if is_new else self._compare(held, row)
        outcome = self.outcome
        outcome.accepted.append(row)
        if is_new:
            outcome.created += 1
        elif variant_changed or held.state() != before:
            outcome.changed += 1
        else:
            outcome.unchanged += 1
        if is_new or variant_changed or held.state() != held.before:
            outcome.touched[held.product.id] = held

    def _check(self, row: Row, held: Held | None) -> None:
        tax_class = row.tax_class or "standard"
        if (row.tax_class or held is None) and tax_class not in self.tax_classes:
            raise BadRow(f"there is no tax class {tax_class!r}")
        if held is None:
            return
        if row.product and row.product != held.product.slug:
            raise BadRow(f"the SKU belongs to product {held.product.slug}")
        others = [v.price_currency for sku, v in held.variants.items() if sku != row.sku]
        if others and others[0] != row.currency:
            raise BadRow(f"the product's other variants are priced in {others[0]}")
        if row.sku not in held.variants and len(held.variants) >= MAX_VARIANTS:
            raise BadRow(f"a product has at most {MAX_VARIANTS} variants")

    def _new_product(self, row: Row) -> Held:
        product_id = new_id()
        product = Product(
            id=product_id,
            slug=row.product or slug_for(row.name, product_id),
            status=(row.status or ProductStatus.PUBLISHED).value,
            listed_at=self.now,
            created_at=self.now,
            updated_at=self.now,
            version=0,
        )
        held = Held(product=product, variants={}, is_new=True)
        held.was = ProductStatus.DRAFT.value
        self.by_slug[product.slug] = held
        return held

    def _describe(self, product: Product, row: Row) -> None:
        product.name = row.name
        product.image_url = row.image_url or product.image_url
        for name in ("description", "brand"):
            if (value := getattr(row, name)) is not None:
                setattr(product, name, value)
        if row.category is not None:
            product.category_id = self.category_id(row.category)
        if row.tax_class is not None:
            product.tax_class_id = row.tax_class
        if row.status is not None:
            product.status = row.status.value

    def _add(self, held: Held, row: Row) -> bool:
        variant = Variant(
            product_id=held.product.id,
            sku=row.sku,
            name=row.variant or "",
            price_amount=row.amount,
            price_currency=row.currency,
            weight_grams=row.weight_grams or 0,
            max_per_order=row.max_per_order or 0,
            position=len(held.variants),
        )
        held.variants[row.sku] = variant
        self.by_sku[row.sku] = held
        self.outcome.new_variants.append(variant)
        return True

    def _compare(self, held: Held, row: Row) -> bool:
        variant = held.variants[row.sku]
        before = tuple(getattr(variant, name) for name in _VARIANT)
        price = Money(amount=variant.price_amount, currency=variant.price_currency)
        variant.price_amount, variant.price_currency = row.amount, row.currency
        given: Mapping[str, object] = {
            "name": row.variant,
            "weight_grams": row.weight_grams,
            "max_per_order": row.max_per_order,
        }
        for name, value in given.items():
            if value is not None:
                setattr(variant, name, value)
        if tuple(getattr(variant, name) for name in _VARIANT) == before:
            return False
        self.outcome.changed_variants.append(variant)
        if price != Money(amount=row.amount, currency=row.currency):
            self.outcome.repriced.append(Repriced(variant, price))
        return True

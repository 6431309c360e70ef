"""The hot path of carts: SKUs to prices in one query."""

from __future__ import annotations

from django.db import connections

from modules.catalog.contract import TooManySkus, Variant
from modules.platform.contracts import Money
from modules.platform.databases import alias_of

MAX_SKUS = 500  # what the port promises to take in one call

_VARIANTS = """
SELECT v.sku, v.product_id, p.name, v.name, v.price_amount, v.price_currency, p.tax_class_id,
       t.basis_points, v.weight_grams, v.max_per_order, p.status = 'published',
       coalesce(c.slug, ''), p.brand, p.image_url
FROM catalog_variant v
JOIN catalog_product p ON p.id = v.product_id
JOIN catalog_taxclass t ON t.code = p.tax_class_id
LEFT JOIN catalog_category c ON c.id = p.category_id
WHERE v.sku = ANY(%s)
"""


def variants(*, skus: tuple[str, ...]) -> tuple[Variant, ...]:
    """Those of ``skus`` that exist, in any order. Raises TooManySkus."""
    if len(skus) > MAX_SKUS:
        raise TooManySkus(limit=MAX_SKUS)
    if not skus:
        return ()
    with connections[alias_of("catalog")].cursor() as cursor:
        cursor.execute(_VARIANTS, [list(skus)])
        rows = cursor.fetchall()
    return tuple(
        Variant(
            sku=sku,
            product_id=product_id,
            name=f"{name}, {variant_name}" if variant_name else name,
            price=Money(amount=amount, currency=currency),
            tax_class=tax_class,
            tax_basis_points=basis_points,
            weight_grams=weight,
            max_per_order=most,
            sellable=sellable,
            category=category,
            brand=brand,
            image_url=image_url,
        )
        for (
            sku,
            product_id,
            name,
            variant_name,
            amount,
            currency,
            tax_class,
            basis_points,
            weight,
            most,
            sellable,
            category,
            brand,
            image_url,
        ) in rows
    )

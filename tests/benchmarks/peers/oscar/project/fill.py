"""``python -m project.fill goods.csv``: Oscar's tables, and the same goods as ours in them."""

import csv
import os
import sys
from collections.abc import Iterable
from typing import Any

import django


def main(path: str) -> None:
    """Migrate, then load every row of ``path`` with its price and stock."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with open(path, newline="") as stream:
        fill(list(csv.DictReader(stream)))
    call_command("check", verbosity=0)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def fill(goods: list[dict[str, str]]) -> None:
    """One partner and one product class; categories two deep; a stock record per product."""
    from oscar.apps.address.models import Country
    from oscar.apps.catalogue.models import Product, ProductCategory, ProductClass
    from oscar.apps.partner.models import Partner, StockRecord

    Country.objects.create(
        iso_3166_1_a2="US", iso_3166_1_a3="USA", printable_name="US", is_shipping_country=True
    )
    kind = ProductClass.objects.create(name="Goods", track_stock=True, requires_shipping=True)
    partner = Partner.objects.create(name="Warehouse")
    leaves = _categories({row["category"] for row in goods})
    products = Product.objects.bulk_create(
        [
            Product(
                title=row["name"],
                slug=row["sku"].lower(),
                upc=row["sku"],
                description=row["description"],
                product_class=kind,
            )
            for row in goods
        ],
        batch_size=1000,
    )
    ProductCategory.objects.bulk_create(
        [
            ProductCategory(product=product, category=leaves[row["category"]])
            for product, row in zip(products, goods, strict=True)
        ],
        batch_size=1000,
    )
    StockRecord.objects.bulk_create(
        [
            StockRecord(
                product=product,
                partner=partner,
                partner_sku=row["sku"],
                price=row["price"],
                price_currency=row["currency"],
                num_in_stock=int(row["stock"]),
            )
            for product, row in zip(products, goods, strict=True)
        ],
        batch_size=1000,
    )


def _categories(paths: Iterable[str]) -> dict[str, Any]:
    from oscar.apps.catalogue.categories import create_from_breadcrumbs

    return {path: create_from_breadcrumbs(path, separator=" > ") for path in paths}


if __name__ == "__main__":
    main(sys.argv[1])

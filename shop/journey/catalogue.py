"""The catalogue: which products, at which price, with how much stock. Deterministic."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from shop.journey import naming

COLUMNS = ("sku", "name", "description", "category", "brand", "price", "currency", "stock")
# Not goods that a parcel could hold.
NOT_SHIPPED = {"COUPON", "FUEL", "CHARITABLE CONT", "POSTAL CENTER", "TRAVEL & LEISURE"}
NOT_SHIPPED |= {"CNTRL/STORE SUP", "RESTAURANT", "PHOTO & VIDEO"}
FALLBACK_CENTS = 299  # where neither the product nor anything like it was ever sold
WEEKS_OF_STOCK = 8
LEAST, MOST = 20, 20_000  # pieces in stock of what is not sold out
SOLD_OUT_EVERY = 67  # one in so many is sold out, but never a best seller


def sku_of(product_id: int) -> str:
    return f"CJ{product_id}"


def priced(products: pd.DataFrame, sold: pd.DataFrame) -> pd.DataFrame:
    """``products`` with ``cents``, ``lines`` sold and ``pieces`` sold; best sellers first.

    The price is the median of what a piece brought, which a few misread lines cannot move; of
    what was never sold, the median of its type, category or department. Sold products that the
    list does not have are added without a description.
    """
    by_product = sold.groupby("product_id")
    table = products.reindex(products.index.union(by_product.size().index))
    table = table.fillna({name: "" for name in products.columns if name != "manufacturer_id"})
    table["manufacturer_id"] = table["manufacturer_id"].fillna(0).astype("int64")
    table["lines"] = by_product.size().reindex(table.index, fill_value=0)
    table["pieces"] = by_product.quantity.sum().reindex(table.index, fill_value=0)
    cents = by_product.unit.median().reindex(table.index)
    for like in ("product_type", "product_category", "department"):
        cents = cents.fillna(cents.groupby(table[like]).transform("median"))
    table["cents"] = cents.fillna(FALLBACK_CENTS).round().clip(lower=1).astype("int64")
    return table.sort_values(["lines", "pieces"], ascending=False, kind="stable")


def best_sellers(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The ``count`` products that were in most baskets, of those that can be shipped."""
    described = (table.product_type != "") & (table.product_category != "")
    shipped = ~table.department.isin(NOT_SHIPPED) & ~table.product_category.str.contains("COUPON")
    return table[described & shipped].head(count)


def write_products(table: pd.DataFrame, out: TextIO, *, currency: str) -> int:
    """The table as products.csv; how many."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(table, currency))
    return len(table)


def write_products_to(path: Path, table: pd.DataFrame, *, currency: str) -> int:
    """As ``write_products``; the file is there whole or not at all."""
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="utf-8", newline="") as out:
        count = write_products(table, out, currency=currency)
    draft.replace(path)
    return count


def stock_of(product_id: int, pieces: int, rank: int) -> int:
    """Some weeks of what was sold; one in SOLD_OUT_EVERY is sold out, further down the ranks."""
    if rank > 500 and product_id % SOLD_OUT_EVERY == 0:
        return 0
    return min(MOST, LEAST + product_id % 40 + pieces * WEEKS_OF_STOCK // 52)


def _rows(table: pd.DataFrame, currency: str) -> Iterator[tuple[Any, ...]]:
    for rank, row in enumerate(table.itertuples()):
        department = naming.department(row.department)
        category = naming.words(row.product_category) or "Other"
        name = naming.product_name(row.product_type, row.product_category, row.package_size)
        brand = naming.brand(row.brand, row.manufacturer_id)
        size = f", {row.package_size.lower()}" if row.package_size else ""
        yield (
            sku_of(row.Index),
            name,
            f"{name} from {department}: {category.lower()}{size}. Brand: {brand}.",
            f"{department} > {category}",
            brand,
            f"{row.cents / 100:.2f}",
            currency,
            stock_of(row.Index, int(row.pieces), rank),
        )

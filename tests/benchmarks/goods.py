"""The goods both shops sell in a benchmark: invented, but the same for every run."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

HEADER = ("sku", "name", "description", "category", "brand", "price", "currency", "stock")
STOCK = 1_000_000  # of each: a benchmark must not sell out
_NOUNS = ("Coffee", "Tea", "Bread", "Butter", "Pasta", "Rice", "Cheese", "Soap", "Juice", "Beans")
_KINDS = ("Fine", "Dark", "Fresh", "Whole", "Organic", "Smoked", "Sweet", "Salted", "Mild", "Hot")
_BRANDS = tuple(f"Brand {letter}" for letter in "ABCDEFGHIJKLMNOPQRST")
_AISLES = tuple(f"Aisle {number} > Shelf {number}" for number in range(1, 41))


def sku(number: int, prefix: str = "BENCH") -> str:
    """The stock-keeping unit of the ``number``-th good, from 0."""
    return f"{prefix}-{number:06d}"


def rows(count: int, prefix: str = "BENCH") -> Iterator[tuple[str, ...]]:
    """``count`` goods as CSV rows under ``HEADER``; prices in units with two decimals."""
    choice = random.Random(7)
    for number in range(count):
        name = f"{choice.choice(_KINDS)} {choice.choice(_NOUNS)} {number}"
        yield (
            sku(number, prefix),
            name,
            f"{name}: " + " ".join(choice.choice(_NOUNS).lower() for _ in range(25)),
            choice.choice(_AISLES),
            choice.choice(_BRANDS),
            f"{choice.randrange(99, 4999) / 100:.2f}",
            "USD",
            str(STOCK),
        )


def write(path: Path, count: int, prefix: str = "BENCH") -> Path:
    """A CSV of ``count`` goods, as ``manage.py import_catalog`` takes it."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        writer.writerows(rows(count, prefix))
    path.chmod(0o644)
    return path

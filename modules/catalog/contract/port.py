"""What other modules may ask of the catalogue."""

from __future__ import annotations

from typing import Protocol

from modules.catalog.contract.types import Variant


class Catalog(Protocol):
    """Products, variants, prices."""

    def variants(self, *, skus: tuple[str, ...]) -> tuple[Variant, ...]:
        """Those of ``skus`` that exist, sellable or not, in any order. At most 500 a call."""
        ...

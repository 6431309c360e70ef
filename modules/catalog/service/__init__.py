"""Use cases of the catalogue, one file per noun, and the port's implementation."""

from __future__ import annotations

from modules.catalog.contract import Variant
from modules.catalog.queries.variants import variants as read_variants


class CatalogService:
    """Answers the ``Catalog`` port."""

    def variants(self, *, skus: tuple[str, ...]) -> tuple[Variant, ...]:
        return read_variants(skus=skus)

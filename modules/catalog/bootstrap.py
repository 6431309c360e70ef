"""What the catalogue needs before the first product: tax classes."""

from __future__ import annotations

from modules.catalog.models import TaxClass

# Rates are the shop's to set; these are starting points. 0 is right where prices are net.
TAX_CLASSES = (
    ("standard", "Standard", 0),
    ("reduced", "Reduced", 0),
    ("zero", "Zero", 0),
)


def bootstrap() -> None:
    """Make the tax classes that are not there yet; rates that were set stay."""
    TaxClass.objects.bulk_create(
        [
            TaxClass(code=code, name=name, basis_points=basis_points)
            for code, name, basis_points in TAX_CLASSES
        ],
        ignore_conflicts=True,
    )

"""What a fresh shop starts with: one warehouse."""

from __future__ import annotations

from modules.inventory.service import warehouses


def bootstrap() -> None:
    """Make the main warehouse unless it is there."""
    warehouses.open_main()

"""Bringing the orders of another shop in: one CSV file of sold lines, oldest shop first."""

from modules.orders.importing.report import ImportReport, RowError
from modules.orders.importing.run import import_orders

__all__ = ["ImportReport", "RowError", "import_orders"]

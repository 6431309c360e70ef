"""The shop's routing document as the front door reads it."""

from __future__ import annotations

from pathlib import Path

from shop.env import load
from shop.running.routing import as_text, routing_document
from strangler_proxy.table import Table, load_table


def table(home: Path, **variables: str) -> Table:
    """The table of a shop with these variables. Raises TableRefused."""
    return load_table(as_text(routing_document(load(variables), home)))

"""The edge's clock; everything below it is told the time."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Now, aware UTC."""
    return datetime.now(UTC)

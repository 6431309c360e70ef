"""Lets PostgreSQL end whoever stands still in a transaction: a process that is stopped cannot."""

from __future__ import annotations

from datetime import timedelta

from modules.extraction.protocol.sides import Connection

BOUNDED = 170000  # from this version on PostgreSQL can bound a transaction as a whole
LEAST = 100  # milliseconds: who works needs no transaction for as long


def bound(connection: Connection, limit: timedelta) -> None:
    """End the session when a transaction takes longer. Before PostgreSQL 17: when it is idle in one
    for so long, which is not measured behind a pipeline (``sides.together``).
    """
    name = "transaction_timeout" if can_bound(connection) else "idle_in_transaction_session_timeout"
    milliseconds = max(LEAST, int(limit.total_seconds() * 1000))
    connection.execute(f"SET {name} = {milliseconds}".encode())


def can_bound(connection: Connection) -> bool:
    """Whether a transaction can be bounded as a whole there."""
    return connection.info.server_version >= BOUNDED

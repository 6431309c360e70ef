"""Commands that have no row of their own to be recognised by are remembered with their answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import connections

from modules.platform.contracts.codec import decode, encode
from modules.platform.databases import alias_of

T = TypeVar("T")
KEPT = timedelta(days=30)  # the longest a saga or an import may take to ask again

_CLAIM = """
INSERT INTO inventory_completedcommand (idempotency_key, answer, at) VALUES (%s, 'null', %s)
ON CONFLICT (idempotency_key) DO NOTHING RETURNING 1
"""
_READ = "SELECT answer::text FROM inventory_completedcommand WHERE idempotency_key = %s"
_ANSWER = "UPDATE inventory_completedcommand SET answer = %s WHERE idempotency_key = %s"
_PURGE = "DELETE FROM inventory_completedcommand WHERE at < %s"


def once(verb: str, key: str, run: Callable[[], T], *, answer: type[T], now: datetime) -> T:
    """``run`` in the open transaction unless the key was used before; its answer either way.

    Waits for another transaction that is carrying out the same command.
    """
    name = f"{verb}:{key}"[:320]
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_CLAIM, [name, now])
        if cursor.fetchone() is None:
            cursor.execute(_READ, [name])
            return decode(cursor.fetchone()[0].encode(), answer)
        result = run()
        cursor.execute(_ANSWER, [encode(result).decode(), name])
        return result


def forget(*, now: datetime) -> int:
    """Drop answers that nobody may ask for any more; how many."""
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_PURGE, [now - KEPT])
        return int(cursor.rowcount)

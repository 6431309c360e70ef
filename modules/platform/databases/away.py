"""Whether the database itself is away, or has an opinion of what it was asked."""

from __future__ import annotations

import django.db
import psycopg


def is_away(error: BaseException) -> bool:
    """Whether ``error``, psycopg's or Django's around it, says: no connection, one that was lost,
    a wrong login, a server that goes or comes. Then the same may work later.
    """
    cause = error.__cause__ if isinstance(error, django.db.Error) else error
    if not isinstance(cause, psycopg.OperationalError):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith(("08", "28", "57P"))

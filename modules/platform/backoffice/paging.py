"""Paging for large tables: PostgreSQL's estimate instead of a COUNT over all of it."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

from django.core.paginator import Paginator
from django.db import connections

EXACT_BELOW = 10_000  # rows; below it a COUNT is cheap and people expect it to be right


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]
    """Counts exactly below EXACT_BELOW; above, a whole table is estimated.

    A filtered list ends at EXACT_BELOW rows, and so does a large table that PostgreSQL has not
    analyzed yet: nobody pages that far, and no page may cost a scan of the table.
    """

    @cached_property
    def count(self) -> int:
        rows = cast(Any, self.object_list)
        estimate = 0 if rows.query.where else _estimate(rows)
        if estimate >= EXACT_BELOW:
            return estimate
        return int(rows.order_by()[:EXACT_BELOW].count())  # unordered: no sort before the LIMIT


def _estimate(rows: Any) -> int:
    """Rows of the table when it was last analyzed; -1 when it never was."""
    with connections[rows.db].cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)",
            [rows.model._meta.db_table],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0

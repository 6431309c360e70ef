"""Sessions of the tests' server, ended as a restart or a failover ends them."""

from __future__ import annotations

import psycopg
from django.conf import settings


def end_sessions(*processes: int) -> None:
    """End the sessions that the server has by these process numbers; they are gone afterwards.

    By the tests' own login: no module's role may do that.
    """
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        for process in processes:
            server.execute("SELECT pg_terminate_backend(%s, 10000)", [process])

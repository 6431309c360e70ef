"""payment with its data in its service's database, as a retirement finds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connections
from psycopg import sql

from modules.extraction import blueprints
from modules.platform.databases.retired import retired_since
from modules.platform.databases.roles import login
from modules.platform.databases.schemas import ensure_schema
from modules.platform.discovery import Role, registry
from tests.extraction.commands import SCHEMA, done, pay
from tests.platform.discovery.serving import said

ROWS = 7
MIGRATIONS = "SELECT app, name, applied FROM payment.django_migrations ORDER BY id"
APPLY = "INSERT INTO payment.django_migrations (app, name, applied) VALUES (%s, %s, %s)"


@pytest.fixture
def extracted(place: None) -> Iterator[None]:
    """Some payments, the authority the service's, compared row by row from there."""
    with rebuilt():
        pay(ROWS)
        done("create")
        done("backfill")
        done("verify")
        url = "http://127.0.0.1:9"  # nobody is asked anything there
        registry.register("payment-9", said(role=Role.OWN, url=url), issuer="payment", ttl=600)
        done("cutover")
        done("verify")
        yield


@contextmanager
def rebuilt() -> Iterator[None]:
    """What a retirement drops in the tests' database is made again, for whoever comes next."""
    with login(SCHEMA) as connection:
        plan = blueprints.read(connection, SCHEMA)
        migrated = connection.execute(MIGRATIONS).fetchall()
    try:
        yield
    finally:
        connections[SCHEMA].close()
        if retired_since(SCHEMA) is not None:
            with login(SCHEMA) as connection, connection.transaction():
                drop = sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(SCHEMA))
                connection.execute(drop)
                blueprints.build(connection, [*plan.before, *plan.after])
                connection.cursor().executemany(APPLY, migrated)
            ensure_schema(SCHEMA)

"""Fixtures for every test: a database per worker with all schemas, wiped after each commit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import TransactionTestCase, client
from psycopg import sql

WIPE = """
DO $$
DECLARE
    names text;
    one record;
    filled boolean;
BEGIN
    FOR one IN
        SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables t
        WHERE schemaname = ANY(current_setting('ficus.schemas')::text[])
          AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
          AND NOT EXISTS (
              SELECT 1 FROM pg_inherits
              WHERE inhrelid = format('%I.%I', schemaname, tablename)::regclass
          )
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || one.name || ')' INTO filled;
        IF filled THEN names := concat_ws(', ', names, one.name); END IF;
    END LOOP;
    IF names IS NOT NULL THEN EXECUTE 'TRUNCATE ' || names || ' CASCADE'; END IF;
END $$
"""


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> Iterator[None]:
    """A database of this worker's own with every module's schema, dropped at the end."""
    name = f"test_{os.getpid()}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    admin = settings.DATABASE_URL
    with psycopg.connect(admin, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    for alias in connections:
        connections[alias].settings_dict["NAME"] = name
        connections.settings[alias]["NAME"] = name
    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0)
    yield
    with django_db_blocker.unblock():
        for alias in connections:
            connections[alias].close()
            connections[alias].close_pool()
    with psycopg.connect(admin, autocommit=True) as server:
        server.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def _wipe(self: TransactionTestCase) -> None:
    """Empty what the test filled: one round trip, instead of a flush per alias."""
    connection = connections["default"]
    schemas = "{" + ",".join(settings.FICUS_MODULES) + "}"
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE NONE")  # one module's role must not touch the others' tables
        cursor.execute("SELECT set_config('ficus.schemas', %s, false)", [schemas])
        cursor.execute(WIPE)
        cursor.execute("RESET ROLE")  # the pool hands this session to the next test
    connection.close()


TransactionTestCase._fixture_teardown = _wipe  # type: ignore[method-assign]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``django_db`` without a list of databases means all of them."""
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker is not None:
            marker.kwargs.setdefault("databases", "__all__")


@pytest.fixture
def api() -> client.Client:
    """A client of the REST API; ``api.post(url, body, content_type="application/json")``."""
    return client.Client(raise_request_exception=False)

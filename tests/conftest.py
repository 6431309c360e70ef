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

from modules.platform.databases.aliases import schema_owners
from modules.platform.hosting import collector

# To delete a few rows takes a quarter of the time of TRUNCATE, which makes new files. Tables of
# more than 256 KB, dead rows counted, and those whose triggers forbid to delete are truncated.
# Either way the tables are locked first, so that nobody's open transaction is overlooked.
WIPE = """
DO $$
DECLARE
    one record;
    filled boolean;
    truncated text;
    deleted text[];
BEGIN
    FOR one IN
        SELECT
            oid::regclass::text AS name,
            EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) AS guarded
        FROM pg_class c
        WHERE relkind IN ('r', 'p')
          AND NOT relispartition
          AND relnamespace::regnamespace::text = ANY(current_setting('ficus.schemas')::text[])
          AND relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || one.name || ')' INTO filled;
        CONTINUE WHEN NOT filled;
        IF one.guarded OR 262144 < pg_relation_size(one.name) + (
            SELECT coalesce(sum(pg_relation_size(relid)), 0) FROM pg_partition_tree(one.name)
        ) THEN
            truncated := concat_ws(', ', truncated, one.name);
        ELSE
            deleted := deleted || one.name;
        END IF;
    END LOOP;
    IF truncated IS NOT NULL THEN EXECUTE 'TRUNCATE ' || truncated || ' CASCADE'; END IF;
    IF deleted IS NOT NULL THEN
        EXECUTE 'LOCK TABLE ' || array_to_string(deleted, ', ') || ' IN ACCESS EXCLUSIVE MODE';
        FOR one IN SELECT unnest(deleted) AS name LOOP
            EXECUTE 'DELETE FROM ' || one.name;
        END LOOP;
    END IF;
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
    schemas = "{" + ",".join(schema_owners()) + "}"
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE NONE")  # one module's role must not touch the others' tables
        cursor.execute("SELECT set_config('ficus.schemas', %s, false)", [schemas])
        cursor.execute(WIPE)
        cursor.execute("RESET ROLE")  # the pool hands this session to the next test
    connection.close()


TransactionTestCase._fixture_teardown = _wipe  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays to the end: it is not looked through for garbage again and again."""
    collector.rest()
    try:
        return (yield)
    finally:
        collector.go_on()


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

"""Fixtures for every test: a database per worker with all schemas, wiped after each commit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import TransactionTestCase, client

from modules.platform.databases.aliases import schema_owners
from modules.platform.hosting import collector
from tests import template

# To delete a few rows takes a quarter of the time of TRUNCATE, which makes new files; to look at
# the size of a file takes a tenth of asking a table for a row. Tables of more than 256 KB, dead
# rows counted, and those with a trigger that is always on are truncated. Where it may, it deletes
# as a replica does, for which other triggers keep quiet: those that forbid it, and those that look
# for rows that refer to what goes. Either way the tables are locked first, so that nobody's open
# transaction is overlooked.
WIPE = """
DO $$
DECLARE
    quiet boolean := has_parameter_privilege('session_replication_role', 'SET');
    one record;
    filled boolean;
    truncated text;
    deleted text[];
BEGIN
    FOR one IN
        WITH file AS (
            SELECT
                CASE WHEN relispartition THEN pg_partition_root(oid)::oid ELSE oid END AS owner,
                pg_relation_size(oid) AS bytes
            FROM pg_class
            WHERE relkind = 'r' AND relnamespace IN (
                SELECT oid FROM pg_namespace
                WHERE nspname = ANY (current_setting('ficus.schemas')::text[])
            )
        )
        SELECT
            owner::regclass::text AS name,
            sum(bytes) AS bytes,
            EXISTS (
                SELECT 1 FROM pg_trigger
                WHERE tgrelid = owner AND NOT tgisinternal
                  AND (tgenabled IN ('A', 'R') OR NOT quiet)
            ) AS guarded
        FROM file JOIN pg_class c ON c.oid = owner
        WHERE bytes > 0
          AND relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
        GROUP BY owner
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || one.name || ')' INTO filled;
        CONTINUE WHEN NOT filled;
        IF one.guarded OR one.bytes > 262144 THEN
            truncated := concat_ws(', ', truncated, one.name);
        ELSE
            deleted := deleted || one.name;
        END IF;
    END LOOP;
    IF truncated IS NOT NULL THEN EXECUTE 'TRUNCATE ' || truncated || ' CASCADE'; END IF;
    IF deleted IS NOT NULL THEN
        IF quiet THEN PERFORM set_config('session_replication_role', 'replica', true); END IF;
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
    with django_db_blocker.unblock():
        template.make_database(name, _migrate)
    _use(name)
    yield
    with django_db_blocker.unblock():
        _let_go()
    template.drop_database(name)


def _migrate(name: str) -> None:
    """Make every module's schema in an empty database, and leave no session in it."""
    _use(name)
    call_command("migrate", verbosity=0)
    _let_go()


def _use(name: str) -> None:
    for alias in connections:
        connections[alias].settings_dict["NAME"] = name
        connections.settings[alias]["NAME"] = name


def _let_go() -> None:
    for alias in connections:
        connections[alias].close()
        connections[alias].close_pool()


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

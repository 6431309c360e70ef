"""What one test has committed the next does not see: how tests/conftest.py empties the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import psycopg
import pytest
from django.db import OperationalError, connections
from django.test import TransactionTestCase

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = ("wiped_row", "wiped_referring", "wiped_kept", "wiped_large", "wiped_parted")
MAKE = """
    CREATE TABLE wiped_row (id int PRIMARY KEY);
    CREATE TABLE wiped_referring (
        id int REFERENCES wiped_row DEFERRABLE INITIALLY DEFERRED
    );
    CREATE TABLE wiped_kept (id int);
    CREATE FUNCTION wiped_refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE 'rows are kept'; END $$;
    CREATE TRIGGER wiped_kept BEFORE DELETE ON wiped_kept
        FOR EACH ROW EXECUTE FUNCTION wiped_refuse();
    CREATE TABLE wiped_large (id int, filling text);
    CREATE TABLE wiped_parted (id int) PARTITION BY HASH (id);
    CREATE TABLE wiped_part_0 PARTITION OF wiped_parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE wiped_part_1 PARTITION OF wiped_parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
"""
FILL = """
    INSERT INTO wiped_row VALUES (1), (2);
    INSERT INTO wiped_referring VALUES (1), (2);
    INSERT INTO wiped_kept VALUES (1);
    INSERT INTO wiped_large SELECT n, repeat('x', 1000) FROM generate_series(1, 400) n;
    INSERT INTO wiped_parted SELECT generate_series(1, 10);
"""


def run(statements: str) -> None:
    with connections["orders"].cursor() as cursor:
        cursor.execute(statements)


def rows(table: str) -> int:
    with connections["orders"].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name from above
        return int(cursor.fetchone()[0])


def wipe() -> None:
    """What happens after each test that commits."""
    TransactionTestCase._fixture_teardown(cast(Any, None))


@pytest.fixture
def tables(transactional_db: None) -> Iterator[None]:
    """Tables of each kind, with rows."""
    run(MAKE)
    run(FILL)
    yield
    run(f"DROP TABLE {', '.join(TABLES)}; DROP FUNCTION wiped_refuse")


def test_tables_of_every_kind_are_emptied(tables: None) -> None:
    """Referred to, guarded by a trigger, large, in parts."""
    assert all(rows(table) for table in TABLES)
    wipe()
    assert {table: rows(table) for table in TABLES} == dict.fromkeys(TABLES, 0)


def test_what_somebody_is_writing_still_is_waited_for(tables: None) -> None:
    """A transaction that a test left open cannot commit into the next test unseen."""
    parameters = connections["orders"].get_connection_params()
    keys = ("host", "port", "user", "password", "dbname")
    given = {key: parameters[key] for key in keys if parameters.get(key)}
    with psycopg.connect(**given) as other:
        other.execute("INSERT INTO orders.wiped_row VALUES (3)")
        with connections["default"].cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        with pytest.raises(OperationalError, match="lock timeout"):
            wipe()
        other.rollback()
    with connections["default"].cursor() as cursor:
        cursor.execute("RESET lock_timeout; RESET ROLE")
    wipe()
    assert rows("wiped_row") == 0

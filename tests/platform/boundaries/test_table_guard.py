"""The SQL guard: which tables a statement names, and which of them are somebody else's."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections, models
from django.test.utils import isolate_apps
from psycopg import sql

from modules.platform.boundaries.violations import BoundaryViolation
from modules.platform.databases.aliases import identity, installed_modules
from modules.platform.databases.guard import TableBelongsElsewhere, TableGuard, table_owners
from modules.platform.databases.tables_in import tables_in

TABLES = {
    'SELECT "a"."id" FROM "a" INNER JOIN "b" ON ("a"."x" = "b"."y"), c AS cc': "a b c",
    "SELECT 1 FROM a x, b y LEFT OUTER JOIN c z ON f(x.i, y.i), d": "a b c d",
    "SELECT (SELECT count(*) FROM v) FROM t WHERE i IN (SELECT i FROM payment.u)": "v t payment.u",
    "SELECT 1 FROM (a JOIN b ON true) x, LATERAL unnest(a.z) u, c FOR UPDATE OF a": "a b c",
    "SELECT 1 FROM t GROUP BY 1 UNION ALL SELECT 2 FROM u ORDER BY 1 LIMIT 3": "t u",
    "INSERT INTO t (id, x) SELECT 1 FROM (VALUES (1)) v(a), z": "t z",
    "INSERT INTO t (a) VALUES (%s) ON CONFLICT (a) DO UPDATE SET a = excluded.a": "t",
    "UPDATE ONLY t SET a = 'FROM x' FROM y WHERE 1 = 1 -- FROM z": "t y",
    "DELETE FROM a USING b WHERE a.i = b.i RETURNING a.i": "a b",
    "SELECT extract(year FROM payment.placed_at) FROM orders_order payment": "orders_order",
    "SELECT 1 FROM t WHERE a IS DISTINCT FROM payment.b": "t",
    "WITH q AS (SELECT 1 FROM a), r AS MATERIALIZED (SELECT 2) SELECT * FROM q JOIN r USING (i)": (
        "a"
    ),
    "SELECT payment.bus_publish(1) FROM generate_series(1, 2) g, t": "t payment.bus_publish",
    "TRUNCATE TABLE a, b CASCADE": "a b",
    "LOCK TABLE a IN SHARE MODE": "a",
    "CREATE TABLE IF NOT EXISTS x (id int REFERENCES y (id))": "x y",
    "ALTER TABLE x ADD COLUMN y int": "x",
    "COPY a (x) FROM STDIN": "a stdin",
    "DO $$ BEGIN PERFORM 1 FROM payment.x; END $$": "",
    "/* FROM a */ SELECT E'it\\'s FROM b', 'o''FROM c'": "",
    'SELECT 1 FROM "Odd ""one""", "payment"."T"': 'Odd "one" payment.T',
    "SELECT 1 FROM Payment.Refund": "payment.refund",
    "SELECT 1 FROM shop.payment.refund": "payment.refund",
    "SELECT 1": "",
    "": "",
    "SELECT (": "",
}


@pytest.mark.parametrize("statement", TABLES)
def test_tables_that_a_statement_names(statement: str) -> None:
    """Through joins, commas, subqueries, aliases, quotes and comments; aliases are no tables."""
    assert " ".join(map(str, tables_in(statement))) == TABLES[statement]


@pytest.fixture
def guard() -> TableGuard:
    """A guard that knows two modules and identity."""
    owners = {"orders_order": "orders", "payment_refund": "payment", "auth_group": "accounts"}
    return TableGuard(owners=owners, schemas=("accounts", "orders", "payment"))


@pytest.mark.parametrize(
    ("statement", "table", "owner"),
    [
        ("SELECT 1 FROM payment_refund", "payment_refund", "payment"),
        ('SELECT 1 FROM orders_order JOIN "payment_refund" r ON true', "payment_refund", "payment"),
        ("SELECT 1 FROM payment.payment_refund", "payment.payment_refund", "payment"),
        ("INSERT INTO payment.bus_outbox (id) VALUES (1)", "payment.bus_outbox", "payment"),
        ("SELECT payment.bus_publish(NULL)", "payment.bus_publish", "payment"),
        ("SELECT 1 FROM auth_group", "auth_group", "accounts"),
    ],
)
def test_another_modules_table_is_refused(
    guard: TableGuard, statement: str, table: str, owner: str
) -> None:
    """The message names both modules, the table and the way to ask."""
    with pytest.raises(BoundaryViolation) as caught:
        guard.check("orders", statement)

    assert str(caught.value) == (
        f"a query of orders (alias 'orders') touches {table}, a table of {owner}: ask through "
        f"use() with a port of modules.{owner}.contract, or keep a copy that {owner}'s events "
        "bring up to date"
    )


@pytest.mark.parametrize(
    ("alias", "statement"),
    [
        ("orders", "SELECT 1 FROM orders_order"),
        ("orders", "SELECT 1 FROM orders.orders_order, bus_outbox, idempotency_record"),
        ("orders", "SELECT 1 FROM pg_catalog.pg_class, information_schema.tables"),
        ("orders", "SELECT payment.id FROM orders_order payment"),
        ("default", "SELECT 1 FROM auth_group"),
    ],
)
def test_own_tables_and_the_platforms_are_fine(
    guard: TableGuard, alias: str, statement: str
) -> None:
    """Platform tables stand in each schema; the catalogue is everybody's."""
    guard.check(alias, statement)


def test_owners_come_from_the_models(settings: Any) -> None:
    """Hidden tables belong too; those of the platform to nobody."""
    settings.FICUS_MODULES = ("accounts", "orders")
    with isolate_apps():

        class Order(models.Model):
            twins = models.ManyToManyField("self")

            class Meta:
                app_label = "orders"

        class Event(models.Model):
            class Meta:
                app_label = "messaging"

        class Session(models.Model):
            class Meta:
                app_label = "sessions"

        through: Any = Order.twins.through
        assert table_owners([Order, through, Event, Session]) == {
            "orders_order": "orders",
            "orders_order_twins": "orders",
            "sessions_session": "accounts",
        }


@pytest.mark.django_db
def test_every_connection_of_the_test_suite_is_guarded() -> None:
    """The guard is on in tests: text and composed SQL are both seen, and fine queries pass."""
    other = next(module for module in installed_modules() if module != identity())
    composed = sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(other, "thing"))
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1 FROM django_session")
        with pytest.raises(TableBelongsElsewhere):
            cursor.execute(composed.as_string(None))
        with pytest.raises(TableBelongsElsewhere):
            cursor.execute(composed)

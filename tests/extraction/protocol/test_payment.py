"""The first real module: payment's tables, its bus and all, as Django migrates them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from modules.extraction.protocol import (
    Backfill,
    Direction,
    Move,
    Side,
    Stream,
    compare,
    cutover,
    install,
    movable_tables,
    rollback,
    scrub,
    uninstall,
)
from modules.platform.databases import atomic
from modules.platform.messaging import partitions
from tests.extraction.protocol.shop import databases


@contextmanager
def bound_to(url: str) -> Iterator[None]:
    """The alias ``payment`` reaches another database, as in the service's host."""
    name = conninfo_to_dict(url)["dbname"]
    connection = connections["payment"]
    before = connection.settings_dict["NAME"], connections.settings["payment"]["NAME"]
    try:
        _bind(name, name)
        yield
    finally:
        _bind(*before)


def _bind(name: Any, setting: Any) -> None:
    connections["payment"].close()
    connections["payment"].close_pool()
    connections["payment"].settings_dict["NAME"] = name
    connections.settings["payment"]["NAME"] = setting


@pytest.fixture(scope="module")
def urls(django_db_blocker: Any) -> Iterator[tuple[str, str]]:
    """Two databases as Django migrates them; the second is a copy of the first."""
    server = os.environ["DATABASE_URL"]
    with databases(server, "monolith") as (source,):
        with django_db_blocker.unblock(), bound_to(source):
            call_command("migrate", database="payment", verbosity=0)
        target = make_conninfo(source, dbname=f"{conninfo_to_dict(source)['dbname']}_own")
        names = [sql.Identifier(str(conninfo_to_dict(url)["dbname"])) for url in (target, source)]
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
            yield source, target
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))


@pytest.fixture
def payment(urls: tuple[str, str], django_db_blocker: Any) -> Iterator[Move]:
    """The move of payment with all its tables."""
    sides = Side("monolith", urls[0], "payment"), Side("service", urls[1], "payment")
    with psycopg.connect(urls[0]) as source:
        tables = movable_tables(sides[0], source)
    move = Move("payment", *sides, tables)
    with django_db_blocker.unblock():
        yield move
    uninstall(move)


def pay(number: int) -> None:
    """A payment with a line in the ledger, an attempt, a webhook, an event, a timer, a letter."""
    from modules.payment.models import Attempt, LedgerEntry, Payment, WebhookMessage

    order = uuid.UUID(int=number)
    with atomic("payment"):
        made = Payment.objects.using("payment").create(
            order_id=order,
            owner="o",
            provider="standin",
            method="card",
            state="authorized",
            currency="EUR",
            amount=100 + number,
            authorized=100 + number,
            reference=f"ref-{number}",
        )
        LedgerEntry.objects.using("payment").create(
            payment=made,
            order_id=order,
            kind="authorization",
            debit="held",
            credit="free",
            amount=100 + number,
            currency="EUR",
            source="test",
        )
        Attempt.objects.using("payment").create(
            payment=made,
            order_id=order,
            operation="authorize",
            attempt=1,
            key=f"key-{number}",
            amount=100 + number,
            state="succeeded",
        )
        WebhookMessage.objects.using("payment").create(
            provider="standin",
            message_id=f"m-{number}",
            type="authorized",
            payload="{}",
            payment=made,
        )
        with connections["payment"].cursor() as cursor:
            for statement in BUS:
                cursor.execute(statement, {"id": made.id, "key": str(order), "number": number})


BUS = (
    """SELECT bus_publish(ARRAY[%(id)s]::uuid[], ARRAY[%(key)s]::text[], ARRAY['paid'],
    ARRAY[1]::smallint[], ARRAY['{"amount":  1}'], '{"correlation": "c"}')""",
    "INSERT INTO bus_timer (type, key, due_at, payload) VALUES ('t', %(key)s, now(), '{}')",
    """INSERT INTO bus_parked (consumer, source, part, position, key, type, envelope, state)
    VALUES ('payment', 'orders', 1, %(number)s, %(key)s, 'x', '{}', 'dead')""",
    """INSERT INTO bus_cursor (consumer, source, part, pos)
    VALUES ('payment', 'orders', 1, %(number)s)
    ON CONFLICT (consumer, source, part) DO UPDATE SET pos = excluded.pos""",
    "INSERT INTO bus_dedup (source, key) VALUES ('hooks', %(key)s)",
)


def capture(number: int) -> None:
    """The payment is captured: changed in place, with one more line in the ledger."""
    from modules.payment.models import LedgerEntry, Payment

    with atomic("payment"):
        found = Payment.objects.using("payment").get(order_id=uuid.UUID(int=number))
        found.state, found.captured = "captured", found.amount
        found.save(using="payment")
        LedgerEntry.objects.using("payment").create(
            payment=found,
            order_id=found.order_id,
            kind="capture",
            debit="taken",
            credit="held",
            amount=found.amount,
            currency="EUR",
            source="test",
        )


def rows(url: str, tables: tuple[str, ...]) -> dict[str, list[tuple[str, ...]]]:
    """All rows as text."""
    found = {}
    with psycopg.connect(url) as session:
        for name in tables:
            table = sql.Identifier("payment", name)
            statement = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(table)
            found[name] = session.execute(statement).fetchall()
    return found


def test_payment_moves_with_all_that_belongs_to_it(payment: Move) -> None:
    """Idempotency keys, ledger, outbox, cursors, parked letters, timers; and comes back."""
    source, target = payment.source.url, payment.target.url
    assert {
        "payment_payment",
        "payment_ledgerentry",
        "bus_outbox",
        "bus_cursor",
        "bus_timer",
        "bus_parked",
        "bus_dedup",
        "bus_subscription",
    } <= set(payment.tables)
    ledger = ("payment_ledgerentry",)
    already = len(rows(source, ledger)[ledger[0]])  # by other tests on these databases
    with bound_to(source):
        for number in range(1, 9):
            pay(number)
        with connections["payment"].cursor() as cursor:
            cursor.execute("SELECT max(id) FROM bus_outbox")
            eighth = cursor.fetchone()[0]
    install(payment)
    with Backfill(payment) as backfill:
        backfill.run(seconds=30)
    with bound_to(source):
        pay(9)
        capture(1)
    assert scrub(payment).count == 0
    cutover(payment)
    with bound_to(target):
        pay(10)
        capture(2)
        with connections["payment"].cursor() as cursor:
            cursor.execute("SELECT max(id), bus_head() FROM bus_outbox")
            assert cursor.fetchone() == (eighth + 2, eighth + 2)
    rollback(payment)
    with bound_to(source):
        pay(11)
        capture(10)
    with Stream(payment, Direction.FORWARD) as stream:
        stream.apply_once()
    assert rows(source, payment.tables) == rows(target, payment.tables)
    assert len(rows(source, ledger)[ledger[0]]) == already + 14
    assert all(digest.equal for digest in compare(payment))
    assert scrub(payment).count == 0


def test_the_bus_keeps_its_partitions_while_payment_moves(payment: Move) -> None:
    """Maintenance may make new ones ahead, and an install brings their guards; it drops none."""
    install(payment)
    for side in payment.sides:
        with bound_to(side.url):
            partitions.make_ahead("payment", ahead=4)
    install(payment)
    with bound_to(payment.source.url):
        pay(21)
        with connections["payment"].cursor() as cursor:
            cursor.execute("SELECT setval('bus_outbox_id_seq', 3000000)")
        pay(22)
        kept = rows(payment.source.url, ("bus_outbox",))
        assert partitions.drop_acknowledged("payment", retention=timedelta(0)) == []
    assert rows(payment.source.url, ("bus_outbox",)) == kept

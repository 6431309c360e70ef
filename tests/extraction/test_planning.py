"""``plan``: what it reads in code, database and metrics, and what it makes of that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from modules.extraction.planning.code import CodeReader
from modules.extraction.planning.data import data_of
from modules.extraction.planning.pause import pause_of
from modules.extraction.planning.plans import Data, Table
from modules.extraction.planning.seen import seen_of
from modules.extraction.planning.sites import port_calls
from modules.platform.boundaries.declarations import read_declarations
from modules.platform.boundaries.source import SourceFile, SourceTree
from tests.architecture.house import House, build_house
from tests.extraction.commands import pay, strangler, told

HEAD = """\
from django.db import transaction
from modules.payment.contract import Payment
from modules.platform.binding import use
from modules.platform.databases import atomic

def one(id):
    return use(Payment).refund(id)
"""


def found(tmp_path: Path, body: str) -> dict[str, str]:
    """Method and how it is called, of the calls that ``body`` adds to the file."""
    (tmp_path / "calls.py").write_text(HEAD + body)
    source = SourceFile(root=tmp_path, path="calls.py", name="modules.orders.calls")
    return {
        call.site.fact: "loop" * call.in_loop + "transaction" * call.in_transaction
        for call in port_calls(source)
    }


@pytest.mark.parametrize(
    ("body", "fact", "how"),
    [
        ("for x in y:\n    use(Payment).capture(x)\n", "payment.capture", "loop"),
        ("while use(Payment).capture(1):\n    pass\n", "payment.capture", "loop"),
        ("z = [use(Payment).capture(x) for x in y]\n", "payment.capture", "loop"),
        ("for x in use(Payment).payments(ids=y):\n    pass\n", "payment.payments", ""),
        ("z = [x for x in use(Payment).payments(ids=y)]\n", "payment.payments", ""),
        ("def f():\n    p = use(Payment)\n    for x in y: p.void(x)\n", "payment.void", "loop"),
        ("with atomic('orders'):\n    use(Payment).void(1)\n", "payment.void", "transaction"),
        (
            "@transaction.atomic\ndef f():\n    use(Payment).void(1)\n",
            "payment.void",
            "transaction",
        ),
        ("with atomic('orders'):\n    pass\nuse(Payment).void(1)\n", "payment.void", ""),
        ("for x in y:\n    one(x)\n", "payment.refund through one()", "loop"),
        ("with atomic('x'):\n    one(1)\n", "payment.refund through one()", "transaction"),
        ("def g():\n    for x in y:\n        def h():\n            use(Payment).void(x)\n",
         "payment.void", ""),
    ],
)  # fmt: skip
def test_calls_in_loops_and_transactions_are_found(
    tmp_path: Path, body: str, fact: str, how: str
) -> None:
    """Where a network in between would be asked again and again, or locks be held across it."""
    assert found(tmp_path, body)[fact] == how


def test_ties_are_those_of_the_declarations_and_of_the_code(house: House) -> None:
    """In and out, each with where the code has it; a declared one without a place says so."""
    tree = SourceTree(house.root)
    reader = CodeReader(tree, read_declarations(tree)[0])
    payment, orders = reader.of("payment").links, reader.of("orders").links
    [called] = payment.calls_in
    assert (called.module, called.name) == ("orders", "Payment")
    assert [site.place for site in called.sites] == ["modules/orders/sagas.py:6"]
    assert [(one.module, one.name) for one in payment.events_in] == [("orders", "OrderConfirmed")]
    assert [one.module for one in orders.events_out] == ["payment"]
    assert [one.name for one in orders.calls_out] == ["Payment"]
    assert payment.calls_out == orders.events_in == ()


def test_writing_operation_without_a_key_is_found(house: House) -> None:
    """A cut-off POST that takes no key may have been done or not; PUT may be repeated anyway."""
    house.write(
        "modules/orders/rest/views.py",
        """\
        from modules.platform.rest.operation import operation
        class View:
            @operation("Place it", idempotent=True)
            def post(self): ...
            @operation("Pay it")
            def patch(self): ...
            @operation("Replace it")
            def put(self): ...
        """,
    )
    tree = SourceTree(house.root)
    [site] = CodeReader(tree, read_declarations(tree)[0]).of("orders").unrepeatable
    assert (site.fact, site.line) == ("PATCH Pay it", 6)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return build_house(tmp_path)


@pytest.fixture
def schema() -> Iterator[psycopg.Connection[Any]]:
    """A schema with a good table and four that cannot be carried."""
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS planned CASCADE; CREATE SCHEMA planned")
        connection.execute(
            "CREATE TABLE planned.good (id int PRIMARY KEY) PARTITION BY RANGE (id);"
            "CREATE TABLE planned.good_1 PARTITION OF planned.good FOR VALUES FROM (0) TO (99);"
            "CREATE TABLE planned.keyless (id int);"
            "CREATE UNLOGGED TABLE planned.unlogged (id int PRIMARY KEY);"
            "CREATE TABLE public.elsewhere (id int PRIMARY KEY);"
            "CREATE TABLE planned.numbered (id int PRIMARY KEY, at regclass);"
            "CREATE TABLE planned.tied (id int PRIMARY KEY REFERENCES public.elsewhere)"
        )
        yield connection
        drop = sql.SQL("DROP SCHEMA planned CASCADE; DROP TABLE public.elsewhere")
        connection.execute(drop)


def test_tables_are_measured_and_their_faults_found(schema: psycopg.Connection[Any]) -> None:
    """Partitions count for their table; what could not be carried says why."""
    schema.execute("INSERT INTO planned.good SELECT generate_series(1, 50); ANALYZE planned.good")
    schema.execute("SELECT pg_stat_force_next_flush()")
    data = data_of(schema, "planned")
    tables = {one.name: one for one in data.tables}
    assert set(tables) == {"good", "keyless", "numbered", "unlogged", "tied"}
    assert (tables["good"].rows, tables["good"].parts, tables["good"].written) == (50, 1, 50)
    assert tables["good"].size > 0
    assert {name: one.faults for name, one in tables.items() if one.faults} == {
        "keyless": ("it has no primary key, or one that is deferrable",),
        "numbered": (
            "it has a column at of type regclass, a number that each database gives by itself",
        ),
        "unlogged": ("it is unlogged",),
        "tied": ("tied_id_fkey references elsewhere",),
    }
    assert data.round_trip > 0


def test_write_rate_is_watched(schema: psycopg.Connection[Any]) -> None:
    """Over the seconds that were asked for."""

    def write(seconds: float) -> None:
        schema.execute("INSERT INTO planned.good SELECT generate_series(51, 90)")
        schema.execute("SELECT pg_stat_force_next_flush()")

    data = data_of(schema, "planned", seconds=2.0, sleep=write)
    assert (data.rate, data.seconds) == (20.0, 2.0)


def test_pause_grows_with_what_makes_it_longer() -> None:
    """Distance, writes and open transactions; the last no longer than the fence waits."""

    def pause(rate: float = 0.0, trip: float = 0.0001, oldest: float = 0.0) -> float:
        table = Table(name="t", rows=1, size=1, written=0)
        return pause_of(Data(tables=(table,), rate=rate, seconds=1, round_trip=trip, oldest=oldest))

    assert pause() < pause(rate=10_000) < pause(rate=10_000, trip=0.001)
    assert pause(oldest=0.05) == pytest.approx(pause() + 50)
    assert pause(oldest=60) == pause(oldest=600) == pytest.approx(pause() + 100)


def test_counts_are_taken_from_a_hosts_metrics() -> None:
    """By route, consumer, source and call; others' are not counted."""
    samples = (
        ("ficus_requests_total", {"route": "api/v1/payment/payments", "status": "200"}, 5.0),
        ("ficus_requests_total", {"route": "api/v1/orders", "status": "200"}, 7.0),
        ("ficus_bus_handled_total", {"source": "orders", "consumer": "payment"}, 3.0),
        ("ficus_bus_published_total", {"source": "payment"}, 2.0),
        ("ficus_rpc_served_total", {"call": "payment.authorize", "outcome": "answered"}, 4.0),
    )
    seen = seen_of("payment", samples, source="x")
    assert (seen.requests, seen.events_in, seen.events_out, seen.calls) == (5, 3, 2, 4)


@pytest.mark.django_db(transaction=True)
def test_plan_of_the_live_project() -> None:
    """All of it ranked, ready ones first; one of it in full, for people and as JSON."""
    pay(3)
    code, report = told("plan")
    plans = report["plans"]
    assert code == 0
    assert {one["module"] for one in plans} == set(settings.FICUS_MODULES)
    blocked = [len(one["blockers"]) for one in plans]
    assert blocked == sorted(blocked)
    by_name = {one["module"]: one for one in plans}
    assert by_name["payment"]["blockers"] == []
    assert "scaffold_host shipping" in by_name["shipping"]["blockers"][0]["fact"]
    facts = [one["fact"] for one in by_name["orders"]["blockers"]]
    assert "it does not declare extractable=True" in facts
    code, text, _ = strangler("plan", "payment")
    assert code == 0
    assert "called by orders: Payment (modules/orders/" in text
    assert "payment_payment" in text
    assert strangler("plan", "paymnet")[0] == 2


@pytest.mark.django_db
def test_metrics_that_cannot_be_read_are_one_line() -> None:
    """Exit code 1, and the address."""
    code, out, err = strangler("plan", "payment", "--metrics", "http://127.0.0.1:9/metrics")
    assert (code, out) == (1, "")
    assert "http://127.0.0.1:9/metrics cannot be read" in err

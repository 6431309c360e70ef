"""A publisher that commits late is never skipped, whoever has published meanwhile."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from modules.platform.databases import atomic
from modules.platform.messaging import publish
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.messaging.database import execute, row, rows
from modules.platform.messaging.testing import drain
from tests.platform.messaging.ledgers import (
    SOURCE,
    Ledger,
    other_session,
    publish_by,
    publish_now,
    ran_low,
)

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def say(connection: psycopg.Connection[Any], key: UUID, value: int) -> None:
    """Publish StockRanLow in the other session."""
    publish_by(connection, ran_low(key, value))


def naive_reader(after: int) -> tuple[list[int], int]:
    """What the trap does: read past ``after`` and remember the highest number seen."""
    seen = [
        n for (n,) in rows(SOURCE, "SELECT id FROM bus_outbox WHERE id > %s ORDER BY id", [after])
    ]
    return seen, max(seen, default=after)


def test_naive_cursor_loses_the_late_committer_and_the_horizon_does_not(ledger: Ledger) -> None:
    """The trap itself, so that this test is known to be able to fail."""
    late, early = uuid4(), uuid4()
    head = row(SOURCE, "SELECT bus_head()")
    assert head is not None
    with other_session() as slow:
        say(slow, late, 1)
        publish_now(ran_low(early, 2))
        naive_first, cursor = naive_reader(head[0])
        drain()
        assert ledger.of(early) == []  # above the horizon: it waits
        slow.commit()
    naive_second, _ = naive_reader(cursor)
    assert len(naive_first) + len(naive_second) == 1, "the naive reader has to lose one here"
    drain()
    assert ledger.of(late) == [1]
    assert ledger.of(early) == [2]


def test_publisher_that_has_only_locked_yet_holds_the_horizon(ledger: Ledger) -> None:
    """Between taking its lock and drawing its number a publisher counts already."""
    with other_session() as slow:
        head = slow.execute("SELECT bus_head()").fetchone()
        assert head is not None
        slow.execute(
            "SELECT pg_advisory_xact_lock_shared("
            "'bus_outbox'::regclass::oid::integer, %s::bigint::integer)",
            [head[0]],
        )
        publish_now(ran_low(uuid4(), 1))
        assert row(SOURCE, "SELECT bus_horizon()") == head
        assert drain() == 0
    assert drain() == 1


def test_rolled_back_publisher_frees_the_horizon(ledger: Ledger) -> None:
    """Its number stays unused."""
    key = uuid4()
    with other_session() as slow:
        say(slow, uuid4(), 1)
        publish_now(ran_low(key, 2))
        assert drain() == 0
        slow.rollback()
        assert drain() == 1


def test_savepoint_that_is_rolled_back_publishes_nothing_and_the_next_is_locked(
    ledger: Ledger,
) -> None:
    """The lock ends with the savepoint, and so does the memory of holding it."""
    key = uuid4()
    with other_session() as slow:
        slow.execute("SAVEPOINT s")
        say(slow, key, 1)
        slow.execute("ROLLBACK TO SAVEPOINT s")
        say(slow, key, 2)
        publish_now(ran_low(key, 3))
        assert drain() == 0
        slow.commit()
    assert drain() == 2
    assert ledger.of(key) == [2, 3]


def test_unrelated_long_transaction_does_not_hold_anything_up(ledger: Ledger) -> None:
    """Waiting for the oldest transaction (xmin) would."""
    with other_session() as idle:
        idle.execute("SELECT txid_current()")
        publish_now(ran_low())
        assert drain() == 1


def test_publishers_of_another_module_do_not_hold_this_one_up(ledger: Ledger) -> None:
    """Each schema's locks have a space of their own."""
    with other_session("orders") as other:
        other.execute(
            "SELECT bus_publish(ARRAY[gen_random_uuid()], ARRAY['k'], ARRAY['orders.x'], "
            "ARRAY[1]::smallint[], ARRAY['{}'], NULL)"
        )
        publish_now(ran_low())
        assert drain() == 1


def test_long_transaction_takes_one_lock_however_often_it_publishes(ledger: Ledger) -> None:
    """The lock table is small."""
    with atomic(SOURCE):
        for _ in range(20):
            publish(ran_low())
        held = row(
            SOURCE,
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        )
        assert held == (1,)


def test_horizon_is_right_when_numbers_pass_32_bits(ledger: Ledger) -> None:
    """Locks carry the low 32 bits only."""
    edge = 4294967295
    execute(SOURCE, "SELECT setval('bus_outbox_id_seq', %s)", [edge - 1])
    execute(SOURCE, "CREATE TABLE far (LIKE bus_outbox INCLUDING DEFAULTS)")
    execute(
        SOURCE,
        "ALTER TABLE bus_outbox ATTACH PARTITION far FOR VALUES FROM (4294967000) TO (4294969000)",
    )
    try:
        for _ in range(3):  # below, at and above the edge
            key = uuid4()
            with other_session() as slow:
                say(slow, key, 1)
                publish_now(ran_low(key, 2))
                assert drain() == 0
                slow.commit()
            assert drain() == 2
            assert ledger.of(key) == [1, 2]
    finally:
        execute(SOURCE, "DROP TABLE far")
        execute(SOURCE, "SELECT setval('bus_outbox_id_seq', 1000)")


def test_concurrent_publishers_and_a_busy_relay_lose_nothing(
    ledger: Ledger, carrier: InlineCarrier
) -> None:
    """Many short transactions of random length against a relay that never rests."""
    keys = [uuid4() for _ in range(4)]
    each = 60

    def work(key: Any) -> None:
        with other_session() as session:
            for n in range(each):
                say(session, key, n)
                if n % 7 == 3:
                    session.execute("SELECT pg_sleep(0.004)")
                session.commit()

    threads = [threading.Thread(target=work, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        drain()
    drain()
    assert {key: ledger.of(key) for key in keys} == {key: list(range(each)) for key in keys}

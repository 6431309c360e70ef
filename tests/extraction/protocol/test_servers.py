"""Two servers, of which one goes away or cannot write, before and after the commit point."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from modules.extraction.protocol import (
    Direction,
    NotDrained,
    NotYetGranted,
    Refusal,
    State,
    cutover,
    cutting_over,
    heal,
    refusal,
    rollback,
)
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.servers import OtherServer

INSERT = "INSERT INTO till.account (name) VALUES (gen_random_uuid())"
LONG = timedelta(seconds=30)  # a fence over megabytes, on a machine with much to do
FILE_BYTES = 17 << 20  # above a segment of the write-ahead log, below the table
PLAIN = "ALTER TABLE till.note ALTER text SET STORAGE PLAIN"
FILL = """
INSERT INTO till.note SELECT 'wide', date '2020-01-01' + n, repeat('x', 7000)
FROM generate_series(1, 1800) n
"""
MORE = """
INSERT INTO till.note SELECT 'more', date '2020-01-01' + n, repeat('x', 7000)
FROM generate_series(1, 600) n
"""


def reconnect(pair: Pair) -> None:
    """The plain session in the target, after its server was away."""
    pair.target = psycopg.connect(pair.move.target.url, autocommit=True)


def test_a_target_lost_before_the_commit_point_costs_a_fence(
    apart: Pair, other: OtherServer
) -> None:
    """The monolith goes on at once; the move goes on when the target is back."""
    apart.ready()
    with pytest.raises(NotDrained):
        cutover(apart.move, watch=lambda step: step == "fenced" and other.stop())
    apart.source.execute(INSERT)
    with pytest.raises(psycopg.OperationalError):
        heal(apart.move)
    other.start()
    assert heal(apart.move).found is State.MONOLITH
    cutover(apart.move)
    reconnect(apart)
    assert apart.same()
    apart.target.close()


def test_a_target_lost_after_the_commit_point_gets_the_module_when_it_is_back(
    apart: Pair, other: OtherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may write meanwhile: the monolith has given it away. Anyone rolls forward then."""
    monkeypatch.setattr(cutting_over, "GRANT_SECONDS", 0.2)
    apart.ready()
    apart.source.execute("UPDATE till.account SET balance = 12")
    with pytest.raises(NotYetGranted):
        cutover(apart.move, watch=lambda step: step == "committed" and other.stop())
    with pytest.raises(psycopg.DatabaseError) as caught:
        apart.source.execute(INSERT)
    assert refusal(caught.value) is Refusal.MOVED
    other.start()
    reconnect(apart)
    with apart.target, pytest.raises(psycopg.DatabaseError, match="has moved"):
        apart.target.execute(INSERT)
    assert heal(apart.move).found is State.NOT_GRANTED
    reconnect(apart)
    with apart.target:
        apart.target.execute(INSERT)
        rollback(apart.move)
        assert apart.same()


def test_a_source_lost_in_a_rollback_leaves_the_service_fenced_until_it_is_back(
    apart: Pair,
) -> None:
    """The monolith might have swapped: so the service may not decide alone. heal() asks."""
    apart.ready()
    cutover(apart.move)

    def lose(step: str) -> None:
        if step == "drained":
            apart.source.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE 'ficus till %' AND datname = current_database()"
            )

    with pytest.raises(psycopg.OperationalError):
        rollback(apart.move, watch=lose)
    with pytest.raises(psycopg.DatabaseError) as caught:
        apart.target.execute(INSERT)
    assert refusal(caught.value) is Refusal.FENCED
    assert heal(apart.move).found is State.SERVICE_FENCE_LEFT
    apart.target.execute(INSERT)
    rollback(apart.move)
    assert apart.same()


def test_a_target_that_cannot_write_costs_a_fence(apart: Pair, other: OtherServer) -> None:
    """A table that cannot grow, as on a full disk: the last changes do not fit."""
    apart.target.execute(PLAIN)
    apart.source.execute(PLAIN)
    apart.source.execute(FILL)
    apart.ready()
    other.stop()
    with files_up_to(FILE_BYTES):
        other.start()
    with psycopg.connect(apart.move.source.url) as late:
        late.execute(MORE)
        commit = threading.Thread(target=lambda: commit_when_fenced(late, apart.source))
        commit.start()
        with pytest.raises(NotDrained, match="could not extend"):
            cutover(apart.move, checked=False)
        commit.join()
    apart.source.execute(INSERT)
    assert heal(apart.move).found is State.MONOLITH
    other.stop()
    other.start()
    reconnect(apart)
    with apart.target:
        apart.sync(Direction.FORWARD)
        assert apart.same()


def test_a_target_that_cannot_write_after_the_commit_point_gets_the_rest_when_it_can(
    apart: Pair, other: OtherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disk is full just then: it stays shut, and opens with all that it was given."""
    monkeypatch.setattr(cutting_over, "GRANT_SECONDS", 0.2)
    apart.target.execute(PLAIN)
    apart.source.execute(PLAIN)
    apart.source.execute(FILL)
    apart.ready()

    def fill_disk(step: str) -> None:
        if step == "committed":
            other.stop()
            with files_up_to(FILE_BYTES):
                other.start()

    with psycopg.connect(apart.move.source.url) as late:
        late.execute(MORE)
        commit = threading.Thread(target=lambda: commit_when_fenced(late, apart.source))
        commit.start()
        with pytest.raises(NotYetGranted):
            cutover(apart.move, ttl=LONG, checked=False, watch=fill_disk)
        commit.join()
    with pytest.raises(NotYetGranted):
        heal(apart.move)
    reconnect(apart)
    with apart.target, pytest.raises(psycopg.DatabaseError, match="has moved"):
        apart.target.execute(INSERT)
    other.stop()
    other.start()
    assert heal(apart.move).now is State.SERVICE
    reconnect(apart)
    with apart.target:
        assert apart.same()


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Processes started meanwhile cannot write beyond ``size`` bytes of any file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def commit_when_fenced(late: psycopg.Connection, session: psycopg.Connection) -> None:
    """Commit as soon as the fence waits for it: so it is what has to be drained."""
    until = time.monotonic() + 20
    waits = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND application_name = 'ficus till control' AND datname = current_database())"
    )
    while session.execute(waits).fetchone() == (False,) and time.monotonic() < until:
        time.sleep(0.002)
    late.commit()

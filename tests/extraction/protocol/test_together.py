"""Statements that travel together: all done, or refused from the first refusal on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product

import psycopg
import pytest

from modules.extraction.protocol.sides import Connection, together

SMALL, LARGE = 10, 3_000_000  # characters; the second is more than the sockets of both sides hold
PUT = "INSERT INTO letter VALUES (%s, %s)"


@pytest.fixture
def session() -> Iterator[Connection]:
    """With a table that has the letter 0."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as one:
        one.execute("CREATE TEMPORARY TABLE letter (id int PRIMARY KEY, text text)")
        one.execute("SET statement_timeout = '20s'")
        one.execute(PUT, [0, ""])
        yield one


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_all_are_done_and_answered(session: Connection, size: int) -> None:
    """And what they have said can be read."""
    with together(session):
        said = [session.execute(f"{PUT} RETURNING id", [n, "x" * size]) for n in range(1, 6)]
    assert [one.fetchall() for one in said] == [[(n,)] for n in range(1, 6)]
    assert _letters(session) == 6


@pytest.mark.parametrize(("size", "at"), list(product((SMALL, LARGE), (0, 2, 4))))
def test_the_first_refusal_is_said(session: Connection, size: int, at: int) -> None:
    """Whichever it is, and nothing behind it is done; the session goes on."""
    ids = [0 if n == at else n + 1 for n in range(5)]
    for _ in range(10 if size == SMALL else 1):  # its answer may come while the others are sent
        with session.transaction(force_rollback=True):
            session.execute("SAVEPOINT before")
            with pytest.raises(psycopg.errors.UniqueViolation, match=r"\(id\)=\(0\)"):
                _put_together(session, ids, size)
            session.execute("ROLLBACK TO before")
            assert _letters(session) == 1


def test_a_server_that_ends_the_session_is_heard(session: Connection) -> None:
    """As one that is away."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [session.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        _put_together(session, [1], LARGE)


def _put_together(session: Connection, ids: list[int], size: int) -> None:
    with together(session):
        for number in ids:
            session.execute(PUT, [number, "x" * size])
        session.execute("SELECT 1 / 0")


def _letters(session: Connection) -> int:
    (count,) = session.execute("SELECT count(*) FROM letter").fetchone() or (0,)
    return int(count)

"""Sessions of a process that is stopped before a swap and goes on after it, in every manner."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable

import psycopg

from modules.extraction.protocol import refusal

LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
COUNT = "SELECT count(*) FROM till.account"


def _insert(session: psycopg.Connection) -> None:
    session.execute("INSERT INTO till.note VALUES ('stale', '2020-02-02', '')")


def _prepared(session: psycopg.Connection) -> None:
    session.execute("EXECUTE ready")


def _copy(session: psycopg.Connection) -> None:
    with session.cursor().copy("COPY till.note FROM STDIN") as copy:
        copy.write_row(("stale", "2020-02-03", ""))


def _merge(session: psycopg.Connection) -> None:
    session.execute(
        "MERGE INTO till.account a USING (VALUES (1), (-1)) v (id) ON a.id = v.id "
        "WHEN MATCHED THEN UPDATE SET balance = 666 "
        "WHEN NOT MATCHED THEN INSERT (name) VALUES ('stale')"
    )


def _delete(session: psycopg.Connection) -> None:
    session.execute("DELETE FROM till.entry")


def _truncate(session: psycopg.Connection) -> None:
    session.execute("TRUNCATE till.note")


def _partition(session: psycopg.Connection) -> None:
    session.execute("UPDATE till.account SET balance = 0; DELETE FROM till.entry_1")


def _nothing_found(session: psycopg.Connection) -> None:
    session.execute("UPDATE till.account SET balance = 1 WHERE false")


WAYS: tuple[Callable[[psycopg.Connection], None], ...] = (
    *(_insert, _prepared, _copy, _merge, _delete, _truncate, _partition, _nothing_found),
)


def run(url: str) -> None:
    """Open a session of each level and way, stop here, then write through all of them.

    Prints ``ready``, waits for a line, and prints how many were accepted and how many refused.
    """
    sessions = []
    for level, way in itertools.product((*LEVELS, ""), WAYS):
        session = psycopg.connect(url, autocommit=True)
        session.execute("PREPARE ready AS INSERT INTO till.note VALUES ('stale', '2020-02-01', '')")
        if level:  # without: a transaction of its own, after the swap
            session.execute(f"BEGIN ISOLATION LEVEL {level}")
            session.execute(COUNT)
        sessions.append((level, way, session))
    print("ready", flush=True)
    sys.stdin.readline()
    accepted = [f"{level} {way.__name__}" for level, way, one in sessions if _accepts(one, way)]
    print(json.dumps({"accepted": accepted, "tried": len(sessions)}), flush=True)


def _accepts(session: psycopg.Connection, way: Callable[[psycopg.Connection], None]) -> bool:
    try:
        way(session)
        session.execute("COMMIT")
    except psycopg.errors.SerializationFailure:
        return False
    except psycopg.DatabaseError as error:
        if refusal(error) is None:
            raise
        return False
    return True

"""What older PostgreSQLs and 18 make of the same rows; what is refused where they do not agree."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from modules.extraction.protocol import (
    Side,
    StreamStopped,
    Unmovable,
    cutover,
    install,
    ownership,
    rollback,
    sides,
)
from modules.extraction.protocol.sides import connect
from modules.extraction.protocol.tables import Column, read_tables
from tests.extraction.protocol import kinds
from tests.extraction.protocol.conftest import Old, sessions
from tests.extraction.protocol.older import WHEELS, versions
from tests.extraction.protocol.shop import till
from tests.extraction.protocol.test_older import CHANGES, equal

HASHED = """
SELECT array_agg(hash_record_extended(ROW(t COLLATE {}), 7) ORDER BY n)
FROM unnest(%s::text[]) WITH ORDINALITY AS given (t, n)
"""
ENDLESS = "INSERT INTO till.entry (account_id, amount, took) VALUES (1, 1, 'infinity')"
OF_EACH = pytest.mark.parametrize(
    "version",
    [pytest.param(one, marks=() if one in WHEELS else pytest.mark.debian) for one in versions()],
)
ENDED = """
ALTER TABLE till.entry DISABLE TRIGGER entry_append_only;
UPDATE till.entry SET took = '1 day' WHERE took = 'infinity';
"""


@OF_EACH
def test_values_of_all_types_hash_as_on_18(version: int, old: Old, urls: tuple[str, ...]) -> None:
    """Digests of two versions can be compared: a value has one hash, and each another one."""
    with psycopg.connect(old(version)[0]) as session:
        types = [*kinds.VALUES, *(name for (name,) in session.execute(kinds.BUILT_IN))]
    ours, theirs = (hashed(url, types) for url in (old(version)[0], urls[1]))
    assert ours == theirs
    rows = sum(len(values) for values in kinds.VALUES.values())
    assert len({row[1:3] for row in ours[1]}) == rows


@OF_EACH
def test_texts_hash_alike_whatever_the_collation(
    version: int, old: Old, urls: tuple[str, ...]
) -> None:
    """Of libc or built in, of the database or a column's own: the bytes count."""
    found = set()
    for url in (old(version)[0], urls[1]):
        with psycopg.connect(url) as session:
            for (collation,) in session.execute(kinds.COLLATIONS).fetchall():
                statement = sql.SQL(HASHED).format(sql.SQL(collation))
                hashes = session.execute(statement, [list(kinds.VALUES["text"])]).fetchone()
                found.add(str(hashes))
    assert len(found) == 1


def test_an_encoding_of_its_own_is_refused(old: Old, urls: tuple[str, ...]) -> None:
    """The same letters would be other bytes, and have other hashes."""
    server = old(16)[0]
    latin = make_conninfo(server, dbname="latin")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        try:
            with pytest.raises(Unmovable, match="encodings: LATIN1 and UTF8"):
                install(till(latin, urls[1]))
        finally:
            admin.execute("DROP DATABASE latin")


def test_a_row_that_16_cannot_read_is_refused(old: Old, urls: tuple[str, ...]) -> None:
    """From 18 to 16: an interval without end is younger. By the installation if it is one of the
    rows that are tried, else by the copy. Without such rows the module moves.
    """
    with sessions(till(urls[0], old(16)[1])) as pair:
        pair.source.execute("DELETE FROM till.entry WHERE id > 1")
        pair.source.execute(ENDLESS)
        with pytest.raises(Unmovable, match=r"entry: .*PostgreSQL 18 and 16.*interval"):
            install(pair.move)
        pair.source.execute("DELETE FROM till.entry WHERE took = 'infinity'")
        install(pair.move)
        pair.source.execute(ENDLESS)
        with pytest.raises(psycopg.DataError, match="interval"):
            pair.copy()
        pair.source.execute("DELETE FROM till.entry WHERE took = 'infinity'")
        pair.ready()
        cutover(pair.move)
        pair.target.execute(CHANGES)
        rollback(pair.move)
        assert equal(pair)


def test_what_16_cannot_read_stops_the_way_back_until_it_is_gone(
    old: Old, urls: tuple[str, ...]
) -> None:
    """Loudly, before any fence; the service goes on meanwhile."""
    with sessions(till(old(16)[0], urls[1])) as pair:
        pair.ready()
        cutover(pair.move)
        pair.target.execute(ENDLESS)
        with pytest.raises(StreamStopped, match="interval"):
            rollback(pair.move)
        assert ownership(pair.move.target).mode == "open"
        pair.target.execute(ENDED)
        rollback(pair.move)
        assert equal(pair)


def test_a_version_that_is_too_old_is_refused(
    old: Old, urls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its number, as if 17 were the oldest; not by a function that it does not have."""
    move = till(old(16)[0], urls[1])
    monkeypatch.setattr(sides, "OLDEST", 17)
    with pytest.raises(Unmovable, match="the monolith is on PostgreSQL 16; 17 is the oldest"):
        install(move)


def hashed(url: str, types: list[str]) -> tuple[tuple[Column, ...], list[tuple[Any, ...]]]:
    """A table of all these types as the protocol sees it; id, hashes and text of each row."""
    side = Side("monolith", url, "kinds")
    columns = ", ".join(f"v{n} {name}" for n, name in enumerate(types))
    with connect(side, purpose="test") as session, session.transaction(force_rollback=True):
        session.execute("CREATE SCHEMA kinds")
        session.execute(f"CREATE TABLE kinds.one (id serial PRIMARY KEY, {columns})")
        for n, (kind, values) in enumerate(kinds.VALUES.items()):
            for value in values:
                session.execute(f"INSERT INTO kinds.one (v{n}) VALUES (%s::{kind})", [value])  # noqa: S608
        (table,) = read_tables(session, side, ("one",))
        rows = sql.SQL("SELECT id, {}, {}, t::text FROM kinds.one t ORDER BY 1")
        return table.columns, session.execute(rows.format(*table.hashes("t"))).fetchall()

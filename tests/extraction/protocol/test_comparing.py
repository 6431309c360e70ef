"""Rows that two databases must hash alike, whatever they are made of; else nothing is installed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modules.extraction.protocol import Unmovable, compare, cutover, hashing, install, scrub
from modules.extraction.protocol.tables import read_tables
from tests.extraction.protocol.conftest import Pair

TYPES = """
CREATE TYPE till.mood AS ENUM ('glad', 'sad');
CREATE DOMAIN till.temper AS till.mood;
CREATE TYPE till.moods AS RANGE (subtype = till.mood);
CREATE TYPE till.size AS (width integer, made timestamptz);
CREATE COLLATION till.blind (provider = libc, locale = 'C');
CREATE TABLE till.felt (
    id bigint PRIMARY KEY, mood till.mood, temper till.temper, many till.mood[], moods till.moods,
    size till.size, sizes till.size[], name text COLLATE till.blind, images json[], image jsonb
);
"""
# PostgreSQL is built here without ICU, whose collations alone can be so.
BLIND = "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'blind'"
INCOMPARABLE = """
CREATE TABLE till.numbered (id integer PRIMARY KEY, at regclass[]);
CREATE TYPE till.wrap AS (mood till.mood[]);
CREATE TABLE till.wrapped (id integer PRIMARY KEY, what till.wrap);
CREATE TABLE till.by_name (name text COLLATE till.blind PRIMARY KEY);
"""
ROWS = """
INSERT INTO till.felt SELECT n, mood, mood, ARRAY[mood, 'sad'], till.moods(mood, mood, '[]'),
    ROW(n, '2020-01-01')::till.size, ARRAY[ROW(n, NULL)::till.size], 'Ä' || n, ARRAY[to_json(n)],
    to_jsonb(mood)
FROM generate_series({first}, {last}) n
CROSS JOIN LATERAL (SELECT (ARRAY['glad', 'sad']::till.mood[])[1 + n % 2] AS mood) m
"""


@pytest.fixture
def felt(pair: Pair) -> Pair:
    """A table of types that both databases have made for themselves, with numbers of their own."""
    pair.target.execute("CREATE TYPE till.first AS ENUM ('of', 'another', 'number')")
    for side in (pair.source, pair.target):
        side.execute(TYPES)
        side.execute(BLIND)
    pair.source.execute(ROWS.format(first=1, last=20))
    pair.move = replace(pair.move, tables=("felt",))
    return pair


def test_what_a_database_numbers_by_itself_is_hashed_alike(felt: Pair) -> None:
    """Labels of enums have numbers, and PostgreSQL hashes those."""
    felt.ready()
    felt.source.execute(ROWS.format(first=21, last=30))
    felt.source.execute("UPDATE till.felt SET mood = 'sad', many = '{glad}' WHERE id < 5")
    felt.source.execute("DELETE FROM till.felt WHERE id = 7")
    felt.sync()
    assert all(one.equal for one in compare(felt.move))
    assert scrub(felt.move).count == 0
    cutover(felt.move)
    rows = [
        side.execute("SELECT t::text FROM till.felt t ORDER BY id").fetchall()
        for side in (felt.source, felt.target)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 29


def test_texts_that_a_collation_takes_as_equal_are_hashed_by_their_bytes(felt: Pair) -> None:
    """Not by the sort keys of two servers' ICU. Other texts are as they are."""
    (table,) = read_tables(felt.source, felt.move.source, ("felt",))
    (account,) = read_tables(felt.source, felt.move.source, ("account",))
    assert {one.name: one.as_hashed for one in table.columns}["name"] == '{} COLLATE "C"'
    assert {one.name: one.as_hashed for one in account.columns}["name"] == "{}"


def test_servers_that_hash_a_row_differently_are_refused(
    felt: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: enums by their numbers. Nothing is installed then."""
    monkeypatch.setattr(hashing, "_of_own", lambda _connection, _column: None)
    with pytest.raises(Unmovable, match=r"felt: .*PostgreSQL 18 and 18.* hash the same row"):
        install(felt.move)
    for side in (felt.source, felt.target):
        assert side.execute("SELECT to_regnamespace('till_move')").fetchone() == (None,)


def test_what_cannot_be_compared_is_refused_with_its_reason(felt: Pair) -> None:
    """Before anything is made of it, and all reasons at once."""
    for side in (felt.source, felt.target):
        side.execute(INCOMPARABLE)
    with pytest.raises(Unmovable) as caught:
        install(replace(felt.move, tables=("felt", "numbered", "wrapped", "by_name")))
    assert [one.partition(": ")[2] for one in caught.value.reasons] == [
        "by_name has a key whose collation takes different texts as equal",
        "numbered has a column at of type regclass[], a number that each database gives by itself",
        "wrapped has a column what of type till.wrap, with an enum in it that is hashed by its "
        "number",
    ]

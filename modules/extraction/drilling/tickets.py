"""What the writers of a drill write: tickets of their own, and rows like the module's own.

A ticket is a transaction that must be there once, wherever the module is by then. With it rows of
the module's tables are written again as they are, and copies of rows come and go, where their
constraints and triggers allow it: so what is captured and carried is as large as in life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from modules.extraction.protocol.sides import Connection, Side
from modules.extraction.protocol.tables import Table, read_tables

TICKETS, ACCOUNTS, NOTES = "ficus_drill_ticket", "ficus_drill_account", "ficus_drill_note"
COUNT = 50  # accounts; several writers meet in one now and then
_MODEL = """
CREATE TABLE {schema}.ficus_drill_ticket (
    ticket text PRIMARY KEY, account integer NOT NULL, body json NOT NULL
);
CREATE TABLE {schema}.ficus_drill_account (id integer PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE {schema}.ficus_drill_note (ticket text PRIMARY KEY);
"""
_ACCOUNTS = "INSERT INTO {table} SELECT n, 0 FROM generate_series(1, %s) n"
# One statement, so one transaction: insert, update, delete, and what ``also`` has.
_TICKET = """
WITH paid AS (UPDATE {accounts} SET balance = balance + 1 WHERE id = %(account)s),
     made AS (INSERT INTO {notes} VALUES (%(ticket)s)),
     gone AS (DELETE FROM {notes} WHERE ticket = %(before)s){also}
INSERT INTO {tickets} (ticket, account, body)
VALUES (%(ticket)s, %(account)s, json_build_object('ticket', %(ticket)s::text))
"""
_TOUCH = "UPDATE {table} AS t SET {column} = t.{column} WHERE {same}"
_COPY = "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} AS t WHERE {same}"
_TRIED = 20  # rows of each table that the writers know


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """A statement on a row of one of the module's tables that its rules allow."""

    table: str
    statement: str


def make(connection: Connection, side: Side) -> None:
    """The drill's own tables beside the module's; in the source with their accounts."""
    schema = sql.Identifier(side.schema)
    connection.execute(sql.SQL(_MODEL).format(schema=schema))
    if side.is_source:
        table = sql.Identifier(side.schema, ACCOUNTS)
        connection.execute(sql.SQL(_ACCOUNTS).format(table=table), [COUNT])


def statement(schema: str, also: Sequence[Churn]) -> str:
    """One ticket with ``account``, ``ticket`` and ``before``, the ticket whose note goes."""
    parts = "".join(f", also{n} AS ({one.statement})" for n, one in enumerate(also))
    names = {name: sql.Identifier(schema, table) for name, table in _NAMES.items()}
    return sql.SQL(_TICKET).format(also=sql.SQL(parts), **names).as_string(None)


_NAMES = {"tickets": TICKETS, "accounts": ACCOUNTS, "notes": NOTES}


def churns(connection: Connection, side: Side, names: tuple[str, ...]) -> tuple[Churn, ...]:
    """What may be done with rows of the module's tables, tried and taken back.

    Before the guards stand, in the source.
    """
    own = set(_NAMES.values())
    tables = read_tables(connection, side, tuple(name for name in names if name not in own))
    found: list[Churn] = []
    for table in tables:
        for key in _keys(connection, table):
            same = sql.SQL("({}) = ({})").format(
                table.names(table.key, "t"), table.key_values(tuple(str(one) for one in key))
            )
            found += [
                Churn(table=table.name, statement=text.as_string(connection).replace("%", "%%"))
                for text in (_touch(table, same), _copy(table, same))
                if text is not None and _goes(connection, text)
            ]
    return tuple(found)


def _keys(connection: Connection, table: Table) -> list[tuple[object, ...]]:
    query = sql.SQL("SELECT {keys} FROM {table} AS t LIMIT {most}").format(
        keys=table.key_texts("t"), table=table.qualified, most=sql.Literal(_TRIED)
    )
    return connection.execute(query).fetchall()


def _touch(table: Table, same: sql.Composable) -> sql.Composed | None:
    if not table.is_updatable:
        return None
    column = sql.Identifier(table.rest[-1].name)
    return sql.SQL(_TOUCH).format(table=table.qualified, column=column, same=same)


def _copy(table: Table, same: sql.Composable) -> sql.Composed | None:
    """A copy with a key of its own, where the key is one that makes itself."""
    if len(table.key) != 1 or table.key[0].type != "uuid":
        return None
    values = [
        sql.SQL("gen_random_uuid()") if one in table.key else sql.Identifier("t", one.name)
        for one in table.written
    ]
    return sql.SQL(_COPY).format(
        table=table.qualified,
        columns=table.names(table.written),
        values=sql.SQL(", ").join(values),
        same=same,
    )


def _goes(connection: Connection, text: sql.Composed) -> bool:
    """Whether the module's constraints and triggers allow it, deferred ones too."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(text)
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except psycopg.DatabaseError:
        return False
    return True

"""The rules of a module's data, looked at on both sides.

Both sides run the same code, so a fault of that code is no difference; it may break a rule. The
queries are the module's own (``Module.invariants``), run read-only and with a limit of time.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from modules.extraction import targets
from modules.extraction.modules_here import declared
from modules.extraction.moves import source_of, target_of
from modules.extraction.protocol.sides import Side, connect
from modules.platform.contracts import Invariant

PATIENCE = "5s"  # for one query: a rule that takes longer is told as not known
KEYS = 5  # of what breaks a rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A rule that does not hold on a side; ``unknown`` says why it could not be looked at."""

    rule: str
    side: str
    keys: tuple[str, ...] = ()
    unknown: str = ""


def broken_of(module: str) -> tuple[Broken, ...]:
    """All rules of ``module`` that are broken, or could not be looked at, on either side."""
    rules = declared(module).invariants
    target = targets.known(module)
    if not rules or target is None:
        return ()
    sides = (source_of(module), target_of(module, target))
    return tuple(one for side in sides for one in _of_side(side, rules))


def _of_side(side: Side, rules: tuple[Invariant, ...]) -> list[Broken]:
    try:
        with connect(side, purpose="invariants") as connection:
            connection.read_only = True
            connection.execute(
                sql.SQL("SET search_path = {}; SET statement_timeout = {}").format(
                    sql.Identifier(side.schema), sql.Literal(PATIENCE)
                )
            )
            found = (_look(connection, side, rule) for rule in rules)
            return [one for one in found if one is not None]
    except psycopg.OperationalError as error:
        why = str(error).strip().partition("\n")[0]
        return [Broken(rule=rule.name, side=side.name, unknown=why) for rule in rules]


def _look(
    connection: psycopg.Connection[tuple[object, ...]], side: Side, rule: Invariant
) -> Broken | None:
    query = f"SELECT * FROM ({rule.broken}) broken LIMIT {KEYS}"  # noqa: S608 - the module's own
    try:
        with connection.transaction():
            rows = connection.execute(query.encode()).fetchall()
    except psycopg.errors.QueryCanceled:
        return Broken(rule=rule.name, side=side.name, unknown=f"took longer than {PATIENCE}")
    keys = tuple(str(row[0]) for row in rows)
    return Broken(rule=rule.name, side=side.name, keys=keys) if keys else None

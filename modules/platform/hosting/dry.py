"""Answers a command of a module's port dry: in a transaction that is rolled back, asking nobody.

As its retry, with what is there; or as the first time, when the other side has recorded that: rows
are put back as they were, ids are drawn and providers answer as they did then.

For shadowing, on both sides of an extraction: the extraction's own schema beside the module's
(``payment_move``) has what lets such a transaction write where the module has no authority, and
keeps PostgreSQL from ever committing it. Only for a process that does nothing else: it may connect
to nobody any more, for good, so there is no connection either that was opened before.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from django.db import connections, transaction
from psycopg import sql

from modules.platform.binding import implementation_of, methods_of, port_of
from modules.platform.binding.routes import fields_of
from modules.platform.contracts import CallContext, ContractError, call_context, deadline_in
from modules.platform.contracts.codec import decode, encode
from modules.platform.databases import alias_of
from modules.platform.outside import Exchange, Heard, NothingHeard, Player, hearing

LIMIT = timedelta(seconds=2)  # for one command
# For one statement: rows that it has locked are waited for by whoever brings the other side's.
STATEMENT, LOCK = "1s", "200ms"
ASKS = "it asks somebody outside"

_BEGIN = """
SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock};
SELECT {room}.begin_dry()
"""
_CHANGED = """
SELECT b.name, l.op::text FROM {room}.log l JOIN {room}.backfill b ON b.tab = l.tab
WHERE l.xid = pg_current_xact_id()
"""


_UNDO = """
SELECT {room}.undo(%s::json, %s::json), set_config('ficus.recording', %s, true)
"""
_ROWS = "SELECT {room}.recording(%s)::text"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a table, by the table's number: its image before a command, and after it."""

    tab: int
    before: str | None = None
    after: str | None = None


class First(msgspec.Struct, frozen=True, kw_only=True):
    """A command's first time on the other side: what it and others have changed since it began, in
    whose name it came, and what it heard. ``sequences`` stand there where they draw nothing that a
    row has.
    """

    command: UUID
    changed: list[Row]
    sequences: dict[str, int]
    context: CallContext
    heard: Heard


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a row, in its order; None where the row is gone."""

    table: str
    key: str
    before: str | None = None
    row: dict[str, Any] | None = None


class Answered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a command would do here: its answer or its error as JSON, and how many rows of which
    table it would write (``payment_payment U``). ``why_not``: why that is not known.

    Of a first time: ``rows`` that it would write, one by one, whom it ``asked`` what, when it
    ``began`` (UTC) and how many seconds it ``took``.
    """

    answer: Any = None
    error: dict[str, Any] | None = None
    changes: dict[str, int] = {}
    why_not: str = ""
    rows: list[Written] = []
    asked: list[Exchange] = []
    began: datetime | None = None
    took: float = 0.0


class AsksSomebody(OSError):
    """A dry command was about to connect to somebody; it may not."""


class _RollBack(Exception):
    """Ends the transaction; carries what was answered."""


class _Network:
    """What this process may no longer reach; ``tried`` counts how often it would have."""

    is_closed = False
    tried = 0


def close_network() -> None:
    """From now on Python's sockets of this process connect to nobody; libpq's are not Python's."""
    socket.socket.connect = _refusing  # type: ignore[method-assign, assignment]
    socket.socket.connect_ex = _refusing  # type: ignore[method-assign, assignment]
    socket.socket.sendto = _refusing  # type: ignore[method-assign, assignment]
    _Network.is_closed = True


def answers_dry() -> bool:
    """Whether this process is one that only answers dry."""
    return _Network.is_closed


def _refusing(one: socket.socket, *args: Any) -> None:
    _Network.tried += 1
    raise AsksSomebody("a dry command asks nobody")


def answer_dry(
    module: str, operation: str, arguments: bytes, first: First | None = None
) -> Answered:
    """What ``operation`` would answer to these arguments, a JSON object by their names; as its
    retry, or as ``first`` was.

    Nothing of it stays: no row, no event; and nobody outside the database is asked: a command that
    tries is not known. Raises KeyError for an operation that the port does not have, and
    RuntimeError in a process whose network is not closed.
    """
    if not _Network.is_closed:
        raise RuntimeError("close_network() first: a command might ask a provider")
    port = port_of(module)
    if port is None:
        return Answered(why_not="the module is not here")
    method = methods_of(port)[operation]
    given = msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    said = {name: decode(bytes(raw), method.parameters[name]) for name, raw in given.items()}
    call = getattr(implementation_of(port), operation)
    tried = _Network.tried
    outcome = _rolled_back(module, lambda: call(**said), first)
    return Answered(why_not=ASKS) if _Network.tried > tried else outcome  # whatever it made of that


def _rolled_back(module: str, call: Callable[[], Any], first: First | None) -> Answered:
    alias = alias_of(module)
    try:
        with deadline_in(LIMIT), transaction.atomic(using=alias):
            _begin(alias, module)
            if first is None:
                outcome = _outcome(call)
                outcome = msgspec.structs.replace(outcome, changes=_changes(alias, module))
            else:
                outcome = _first_time(alias, module, call, first)
            raise _RollBack
    except _RollBack:
        return outcome
    except Exception as error:  # a lock, a limit, a broken transaction: not comparable, and said
        return Answered(why_not=_named(error))


def _first_time(alias: str, module: str, call: Callable[[], Any], first: First) -> Answered:
    before = [msgspec.json.encode(one).decode() for one in (first.changed, first.sequences)]
    _run(alias, module, _UNDO, [*before, str(first.command)])
    player = Player(first.heard)
    with ExitStack() as stack:
        stack.enter_context(call_context(first.context))
        stack.enter_context(deadline_in(LIMIT))
        stack.enter_context(hearing(player))
        began = datetime.now(UTC)
        try:
            outcome = _outcome(call)
        except NothingHeard:  # it shows in whom it asked
            outcome = Answered()
        took = (datetime.now(UTC) - began).total_seconds()
    [(rows,)] = _run(alias, module, _ROWS, [first.command])
    return msgspec.structs.replace(
        outcome,
        rows=msgspec.json.decode(rows, type=list[Written]),
        asked=player.asked,
        began=began,
        took=took,
    )


def _outcome(call: Callable[[], Any]) -> Answered:
    try:
        return Answered(answer=msgspec.json.decode(encode(call())))
    except ContractError as error:
        return refused(error)


def refused(error: ContractError) -> Answered:
    """A command's error, as it is compared."""
    fields = msgspec.json.decode(encode(fields_of(error)))
    return Answered(error={"code": error.code, **fields})


def _begin(alias: str, module: str) -> None:
    limits = {"statement": sql.Literal(STATEMENT), "lock": sql.Literal(LOCK)}
    _run(alias, module, _BEGIN, None, **limits)


def _changes(alias: str, module: str) -> dict[str, int]:
    rows = _run(alias, module, _CHANGED)
    return dict(sorted(Counter(f"{table} {op}" for table, op in rows).items()))


def _run(
    alias: str,
    module: str,
    text: LiteralString,
    values: list[Any] | None = None,
    **parts: sql.Composable,
) -> list[Any]:
    with connections[alias].cursor() as cursor:
        query = sql.SQL(text).format(room=sql.Identifier(f"{module}_move"), **parts)
        cursor.execute(query.as_string(cursor.connection), values)
        return list(cursor.fetchall()) if cursor.description else []


def _named(error: Exception) -> str:
    return f"it breaks off: {type(error).__name__}"

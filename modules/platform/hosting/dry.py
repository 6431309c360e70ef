"""Answers a command of a module's port dry: in a transaction that is rolled back, asking nobody.

For shadowing, on both sides of an extraction: the extraction's own schema beside the module's
(``payment_move``) has what lets such a transaction write where the module has no authority, and
keeps PostgreSQL from ever committing it. Only for a process that does nothing else: it may connect
to nobody any more, for good, so there is no connection either that was opened before.
"""

from __future__ import annotations

import socket
from collections import Counter
from datetime import timedelta
from typing import Any

import msgspec
from django.db import connections, transaction
from psycopg import sql

from modules.platform.binding import implementation_of, methods_of, port_of
from modules.platform.binding.routes import fields_of
from modules.platform.contracts import ContractError, deadline_in
from modules.platform.contracts.codec import decode, encode
from modules.platform.databases import alias_of

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


class Answered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a command would do here: its answer or its error as JSON, and how many rows of which
    table it would write (``payment_payment U``). ``why_not``: why that is not known.
    """

    answer: Any = None
    error: dict[str, Any] | None = None
    changes: dict[str, int] = {}
    why_not: str = ""


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


def answer_dry(module: str, operation: str, arguments: bytes) -> Answered:
    """What ``operation`` would answer to these arguments, a JSON object by their names.

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
    alias = alias_of(module)
    tried = _Network.tried
    try:
        with deadline_in(LIMIT), transaction.atomic(using=alias):
            _begin(alias, module)
            outcome = _outcome(lambda: call(**said))
            changes = _changes(alias, module)
            raise _RollBack
    except _RollBack:
        if _Network.tried > tried:  # whatever it made of that
            return Answered(why_not=ASKS)
        return msgspec.structs.replace(outcome, changes=changes)
    except Exception as error:  # a lock, a limit, a broken transaction: not comparable, and said
        return Answered(why_not=ASKS if _Network.tried > tried else _named(error))


def _outcome(call: Any) -> Answered:
    try:
        return Answered(answer=msgspec.json.decode(encode(call())))
    except ContractError as error:
        fields = msgspec.json.decode(encode(fields_of(error)))
        return Answered(error={"code": error.code, **fields})


def _begin(alias: str, module: str) -> None:
    with connections[alias].cursor() as cursor:
        query = sql.SQL(_BEGIN).format(
            room=sql.Identifier(f"{module}_move"),
            statement=sql.Literal(STATEMENT),
            lock=sql.Literal(LOCK),
        )
        cursor.execute(query.as_string(cursor.connection))


def _changes(alias: str, module: str) -> dict[str, int]:
    with connections[alias].cursor() as cursor:
        query = sql.SQL(_CHANGED).format(room=sql.Identifier(f"{module}_move"))
        cursor.execute(query.as_string(cursor.connection))
        return dict(sorted(Counter(f"{table} {op}" for table, op in cursor.fetchall()).items()))


def _named(error: Exception) -> str:
    return f"it breaks off: {type(error).__name__}"

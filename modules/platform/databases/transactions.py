"""Transactions by module name, and the question whether one is open."""

from __future__ import annotations

import threading
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.transaction import Atomic

from modules.platform.databases.aliases import alias_of


class _Opened(threading.local):
    """The connections that this thread has ever opened, by alias.

    Asked on each call between modules, so it must be quicker than ``connections.all()``, which
    takes about a microsecond an alias.
    """

    def __init__(self) -> None:
        self.by_alias: dict[str, BaseDatabaseWrapper] = {}


_opened = _Opened()


def _remember(connection: BaseDatabaseWrapper, **_: Any) -> None:
    _opened.by_alias[connection.alias] = connection


connection_created.connect(_remember, dispatch_uid="ficus.open_transaction")


def atomic(module: str, *, durable: bool = False) -> Atomic:
    """A transaction on ``module``'s own database; ``durable`` refuses to be nested."""
    return transaction.atomic(using=alias_of(module), durable=durable)


def open_transaction() -> str | None:
    """The first alias on which this thread holds a transaction open, or None.

    The transaction that a Django test case wraps around a whole test does not count.
    """
    for alias, connection in _opened.by_alias.items():
        if connection.in_atomic_block and any(
            not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks
        ):
            return alias
    return None


def begin_anew() -> None:
    """This thread's sessions are closed; each is opened again when it is asked.

    For whoever goes on after Ctrl-C: that may have come between a question and its answer, and
    such a session takes no other question.
    """
    connections.close_all()

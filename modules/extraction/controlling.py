"""One controller at a time for each module: a lock in the database, and who holds it.

The lock is an advisory one of a session of its own, so it ends with the process that holds it,
however that ends. The row beside it says who, once it is younger than that session: who takes the
lock signs an instant later, and until then the row is that of somebody before.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
import structlog
from django.db.models.functions import Now

from modules.extraction.actors import acting
from modules.extraction.errors import ControllerBusy
from modules.extraction.models import Controller
from modules.platform.databases.roles import login

log = structlog.get_logger(__name__)

ALIAS = "extraction"
# A watch puts right what it finds, by itself and in an instant: nobody is refused for that.
MENDING, MENDS_WITHIN = "doctor", 10.0  # seconds
LOOK = 0.1  # seconds between two tries
SIGNS_WITHIN = 1.0  # seconds until who took the lock has signed
GLANCE = 0.01  # seconds between two looks whether it has
_TRY = "SELECT pg_try_advisory_lock(hashtext('ficus.extraction'), hashtext(%s))"
# The two keys of an advisory lock stand as unsigned numbers in classid and objid.
_HELD = """
SELECT coalesce(a.backend_start, to_timestamp(0)) FROM pg_locks l
JOIN pg_database d ON d.oid = l.database JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
  AND l.classid = (hashtext('ficus.extraction')::bigint & 4294967295)::oid
  AND l.objid = (hashtext(%s)::bigint & 4294967295)::oid
"""
_FREE = "SELECT pg_advisory_unlock(hashtext('ficus.extraction'), hashtext(%s))"


@contextmanager
def controlling(module: str, verb: str) -> Iterator[None]:
    """Be the one controller of ``module`` for a while.

    Waits for a ``doctor`` who is at it. Raises ControllerBusy, which names the other one, and
    psycopg's errors.
    """
    with login(ALIAS) as connection:
        until = time.monotonic() + MENDS_WITHIN
        while not _taken(connection, module):
            other = holder(module)
            passes = other is None or other.verb == MENDING  # None: it has gone meanwhile
            if verb == MENDING or not passes or time.monotonic() > until:
                raise busy(module)
            time.sleep(LOOK)
        try:
            _sign(module, verb)
            yield
        finally:
            _let_go(connection, module)


def holder(module: str) -> Controller | None:
    """Who is at ``module`` now. Looks only: it keeps nobody from taking the lock."""
    until = time.monotonic() + SIGNS_WITHIN
    with login(ALIAS) as connection:
        while (began := _held_since(connection, module)) is not None:
            one = Controller.objects.filter(module=module).first()
            if (one is not None and one.since >= began) or time.monotonic() > until:
                return one
            time.sleep(GLANCE)
    return None


def busy(module: str) -> ControllerBusy:
    """The error that names who is at ``module``."""
    one = Controller.objects.filter(module=module).first()
    return ControllerBusy(
        module=module,
        verb=one.verb if one else "?",
        actor=one.actor if one else "somebody",
        machine=one.machine if one else "?",
        process=one.process if one else 0,
        since=one.since if one else None,
    )


def _taken(connection: psycopg.Connection[Any], module: str) -> bool:
    row = connection.execute(_TRY, [module]).fetchone()
    return bool(row and row[0])


def _held_since(connection: psycopg.Connection[Any], module: str) -> datetime | None:
    """When the session that holds the lock began; None while nobody holds it."""
    row = connection.execute(_HELD, [module]).fetchone()
    return row[0] if row else None


def _let_go(connection: psycopg.Connection[Any], module: str) -> None:
    try:
        connection.execute(_FREE, [module])
    except psycopg.Error as error:
        # A session that was lost holds nothing any more; what was done meanwhile is done.
        log.warning("extraction.lock_lost", module=module, error=str(error).strip())


def _sign(module: str, verb: str) -> None:
    Controller.objects.update_or_create(
        module=module,
        defaults={
            "verb": verb,
            "actor": acting(),
            "machine": socket.gethostname()[:255],
            "process": os.getpid(),
            "since": Now(),
        },
    )

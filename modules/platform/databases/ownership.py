"""What a database itself says of who has a module's authority, for a host that has nobody to ask.

While a module is being moved each of its two databases has a row with its owner, beside the module
(``payment_move``). The monolith goes by its control plane; a service with a database of its own
goes by this row, so that it leaves events and periods alone until they are its own. Correctness
never depends on it: PostgreSQL refuses whoever writes in the wrong place.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import psycopg
import structlog
from psycopg import sql

from modules.platform.databases.aliases import alias_of
from modules.platform.databases.refusals import BESIDE
from modules.platform.databases.roles import logged_in

log = structlog.get_logger(__name__)

SERVICE: Final = "service"
GOOD_FOR = 0.2  # seconds that an answer is; the monolith's processes look as often
Connection = psycopg.Connection[Any]


class OwnDatabase:
    """``has(module)``: whether this service's database has the authority, as it has been told.

    Where nothing stands beside the module it is not being moved, and is the service's. While the
    database is away, what was known stays.
    """

    def __init__(
        self,
        connect: Callable[[str], Connection] = lambda module: logged_in(alias_of(module)),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect, self._clock = connect, clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, bool]] = {}
        self._open: dict[tuple[int, str], Connection] = {}

    def has(self, module: str) -> bool:
        """Asks the database when the last answer is old."""
        at, known = self._known.get(module, (float("-inf"), True))
        if self._clock() < at + GOOD_FOR:
            return known
        if not self._lock.acquire(blocking=False):  # somebody is asking
            return known
        try:
            known = self._asked(module, known)
            self._known[module] = (self._clock(), known)
            return known
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the connections; they are made again when needed."""
        with self._lock:
            for key in list(self._open):
                self._open.pop(key).close()

    def _asked(self, module: str, known: bool) -> bool:
        # A connection that was made before a fork is the parent's, and is left to it.
        key = (os.getpid(), module)
        try:
            if key not in self._open:
                self._open[key] = self._connect(module)
            return _says_service(self._open[key], module)
        except psycopg.Error as error:
            log.debug("ownership.unknown", module=module, error=str(error).strip())
            if key in self._open:
                self._open.pop(key).close()
            return known


def _says_service(connection: Connection, module: str) -> bool:
    room = sql.Identifier(f"{module}{BESIDE}")
    try:
        row = connection.execute(sql.SQL("SELECT owner FROM {}.ownership").format(room)).fetchone()
    except psycopg.errors.UndefinedTable:
        return True
    return row is None or row[0] == SERVICE

"""What this process knows of who has the authority: read on every call, kept current by a thread.

A change wakes every process (NOTIFY, with the commit); without a word each looks every interval.
While the table cannot be read, what was known stays: PostgreSQL refuses what goes wrong then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from django.db import connections

from modules.extraction.phases import SERVICE_OWNS, Phase
from modules.platform.databases.listening import wait_for_word
from modules.platform.databases.roles import login
from modules.platform.discovery.forking import renew_after_fork

log = structlog.get_logger(__name__)

ALIAS = "extraction"
CHANNEL = "ficus_extraction"
INTERVAL = 0.5  # seconds between two looks
AGAIN = 1.0  # seconds after a failure
_ALL = """
SELECT c.module, c.phase, c.epoch,
       CASE WHEN c.phase IN ('shadow', 'canary') THEN coalesce(s.commands, 0) ELSE 0 END
FROM extraction.extraction_capability c LEFT JOIN extraction.extraction_shadow s USING (module)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Whose a module's data is. ``epoch`` only grows."""

    is_services: bool = False
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the tables say: whose each module is, how many of its commands to write down, and which
    modules are about to move and are not divided yet.
    """

    authorities: Mapping[str, Authority]
    sampled: Mapping[str, int]
    in_shadow: frozenset[str]


MONOLITHS = Authority()


def read(connection: psycopg.Connection[Any]) -> Seen:
    """All modules that were ever touched. Raises psycopg's errors."""
    rows = connection.execute(_ALL, prepare=True).fetchall()
    return Seen(
        authorities={
            module: Authority(is_services=Phase(phase) in SERVICE_OWNS, epoch=epoch)
            for module, phase, epoch, _ in rows
        },
        sampled={module: percent for module, _, _, percent in rows if percent},
        in_shadow=frozenset(module for module, phase, _, _ in rows if phase == Phase.SHADOW),
    )


def tell(module: str) -> None:
    """Wake every process of this host."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, module])


class Authorities:
    """One per process. Nothing runs before the first question; a forked child begins anew."""

    def __init__(
        self, connect: Callable[[], Any] = lambda: login(ALIAS), *, interval: float = INTERVAL
    ) -> None:
        self._connect, self._interval = connect, interval
        self._known: dict[str, Authority] = {}
        self._sampled: Mapping[str, int] = {}
        self._in_shadow: frozenset[str] = frozenset()
        self._begin()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._begin()

    def of(self, module: str) -> Authority:
        """Whose ``module`` is, as far as this process knows."""
        if self._thread is None:
            self._ensure()
        return self._known.get(module, MONOLITHS)

    def sampled(self, module: str) -> int:
        """Of a hundred commands of ``module``, how many are written down for shadowing."""
        if self._thread is None:
            self._ensure()
        return self._sampled.get(module, 0)

    def is_in_shadow(self, module: str) -> bool:
        """Whether ``module`` is being copied, and all of its work is still done here."""
        if self._thread is None:
            self._ensure()
        return module in self._in_shadow

    def wait(self, seconds: float) -> bool:
        """Whether the table was looked at, well or not, within ``seconds``."""
        self._ensure()
        return self._turned.wait(seconds)

    def learn(self, module: str, authority: Authority) -> None:
        """What somebody who knows has said; news only."""
        if authority.epoch > self._known.get(module, MONOLITHS).epoch:
            self._known = {**self._known, module: authority}

    def close(self) -> None:
        """Stop looking; what is known stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._turned = threading.Event()
        self._thread: threading.Thread | None = None

    def _ensure(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="authority", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        stop, turned, is_away = self._stop, self._turned, False
        while not stop.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    is_away = False
                    self._follow(connection, stop, turned)
            except Exception as error:  # whatever it is, the thread must go on looking
                if not is_away:
                    log.warning("extraction.authority_away", error=str(error).strip())
                is_away = True
                turned.set()
                stop.wait(AGAIN)

    def _follow(
        self, connection: psycopg.Connection[Any], stop: threading.Event, turned: threading.Event
    ) -> None:
        while not stop.is_set():
            seen = read(connection)
            self._sampled, self._in_shadow = seen.sampled, seen.in_shadow
            for module, authority in seen.authorities.items():
                self.learn(module, authority)
            turned.set()
            wait_for_word(connection, self._interval)


_authorities: Authorities | None = None
_making = threading.Lock()


def authorities() -> Authorities:
    """This process's, made when first asked for."""
    global _authorities
    if _authorities is None:
        with _making:
            if _authorities is None:
                _authorities = Authorities()
    return _authorities

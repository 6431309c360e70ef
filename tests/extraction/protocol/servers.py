"""A PostgreSQL server of a test's own, which may go away, crash, or be kept from writing."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from modules.platform.databases import embedded

_LOG_WRITER = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"


@dataclass
class OtherServer:
    """The service's own server."""

    home: Path
    url: str = ""

    def start(self) -> None:
        """With what it kept."""
        self.url = embedded.ensure_postgres(self.home, durable=False).url

    def stop(self) -> None:
        """As a lost host: its sessions break."""
        embedded.stop_postgres(self.home)

    def hold_log_back(self) -> None:
        """Nothing of the write-ahead log goes to the disk from now on but for who waits for it."""
        os.kill(self._log_writer(), signal.SIGSTOP)

    def crash(self) -> None:
        """As with one killed process: all end, and PostgreSQL begins anew with what is on disk."""
        killed = self._log_writer()
        os.kill(killed, signal.SIGKILL)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with suppress(psycopg.OperationalError):
                if self._log_writer() not in (0, killed):
                    return
            time.sleep(0.02)
        raise TimeoutError("the server did not come back")

    def session(self) -> psycopg.Connection:
        return psycopg.connect(self.database, autocommit=True)

    @property
    def database(self) -> str:
        """Where its sessions connect."""
        return make_conninfo(self.url, dbname="postgres")

    def _log_writer(self) -> int:
        with self.session() as session:
            (pid,) = session.execute(_LOG_WRITER).fetchone() or (0,)
        return int(pid)

"""Pytest plugin (``-p tests.servers``): real PostgreSQL and Redis for the whole test session.

Loaded before settings, because settings need the URLs. The servers are started once by the
process that runs pytest; xdist's workers inherit the URLs. DATABASE_URL and REDIS_URL that are
set already are used as they are.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from modules.platform.databases import embedded
from tests import memory, template

_home: Path | None = None
_server_stays = False  # PostgreSQL is somebody else's


def _keep_byte_code() -> None:
    """Hundreds of processes start from the same sources: the first compiles them for all."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _start() -> None:
    global _home, _server_stays
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    _keep_byte_code()
    # By default SIGTERM ends Python without a word, and the servers would stay.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _home = Path(tempfile.mkdtemp(prefix="ficus-test-", dir=memory.directory()))
    atexit.register(_stop)  # pytest configures nothing when it does not understand its arguments
    _home.chmod(0o755)  # as root PostgreSQL runs under a user of its own, which must get there
    os.environ["FICUS_HOME"] = str(_home)
    _server_stays = bool(os.environ.get("DATABASE_URL"))
    if not _server_stays:
        os.environ["DATABASE_URL"] = embedded.ensure_postgres(_home, durable=False).url
    if not os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = embedded.ensure_redis(_home, durable=False).url
    template.announce()


def pytest_unconfigure(config: pytest.Config) -> None:
    """While pytest still says what goes wrong."""
    _stop()


def _stop() -> None:
    """Leave nothing behind."""
    global _home
    if _home is not None:
        home, _home = _home, None
        if _server_stays:
            template.forget()
        embedded.stop_postgres(home)
        embedded.stop_redis(home)
        shutil.rmtree(home, ignore_errors=True)


_start()

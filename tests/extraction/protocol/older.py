"""A PostgreSQL 16 for tests: what a monolith may run on while its service begins on 18.

Its programs come from the wheel pgserver, of whose Python nothing is used.
"""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from modules.platform.databases.embedded import logs, processes
from modules.platform.databases.embedded.accounts import Account, named_account, server_account

WHEEL = "pgserver"
MISSING = (
    "PostgreSQL 16 is missing; install it with: pip install --no-deps pgserver==0.1.4 "
    "(wheels are for CPython up to 3.12 on x86_64 and on macOS; with another Python or processor "
    "run these tests elsewhere)"
)
PROGRAMS = Path(WHEEL, "pginstall", "bin")
PARTS = (PROGRAMS, Path(WHEEL, "pginstall", "lib"), Path(WHEEL, "pginstall", "share"))
LIBRARIES = Path(f"{WHEEL}.libs")  # on Linux, found by a relative path
UNUSED = ("*.a", "pgxs", "include")
START, STOP = 30.0, 15.0  # seconds
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # of the socket's name
    "max_connections": "60",
    "shared_buffers": "32MB",
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "timezone": "UTC",
}


@contextmanager
def older() -> Iterator[str]:
    """The URL of a new server, on a Unix socket, for as long as the block lasts."""
    home = Path(tempfile.mkdtemp(prefix="ficus-older-"))
    home.chmod(0o755)  # as root PostgreSQL runs under a user of its own, which must get there
    try:
        data = home / "data"
        account = server_account(data)
        programs = _programs(home, account)
        initialise(programs, home, data, account)
        with serving(programs, home, data, account) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _programs(home: Path, account: Account) -> Path:
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        pytest.fail(MISSING)
    site = Path(spec.origin).parent.parent
    if not account.switch:
        return site / PROGRAMS
    # The environment may lie where only root gets.
    for part in (*PARTS, LIBRARIES):
        if (site / part).exists():
            shutil.copytree(site / part, home / part, ignore=shutil.ignore_patterns(*UNUSED))
    for entry in home.rglob("*"):
        entry.chmod(0o755)
    return home / PROGRAMS


def initialise(programs: Path, home: Path, data: Path, account: Account) -> None:
    """An empty cluster: whoever gets to its socket is let in, over TCP with a password only."""
    data.mkdir(mode=0o700)
    maker = named_account(account)
    maker.own(data)
    argv = [str(programs / "initdb"), "-D", str(data), "--username=ficus"]
    argv += [
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
        "--no-instructions",
    ]
    log = home / "initdb.log"
    process = processes.spawn(argv, log=log, cwd=Path("/"), account=maker)
    with processes.ended_on_error(process):
        if process.wait(timeout=START):
            raise RuntimeError("\n".join(logs.tail(log)))
    account.own_tree(data)


@contextmanager
def serving(programs: Path, home: Path, data: Path, account: Account, **more: str) -> Iterator[str]:
    """Its server, with ``more`` settings, for as long as the block lasts; its URL."""
    sockets = home / "run"
    sockets.mkdir(mode=0o700)
    account.own(sockets)
    settings = SETTINGS | {"unix_socket_directories": str(sockets)} | more
    argv = [str(programs / "postgres"), "-D", str(data)]
    argv += [f"--{name}={value}" for name, value in settings.items()]
    log = home / "server.log"
    process = processes.spawn(argv, log=log, cwd=Path("/"), account=account)
    try:
        socket = f"host={quote(str(sockets), safe='/')}&port={settings['port']}"
        url = f"postgresql:///postgres?{socket}&user=ficus"
        _await(process, url, log)
        yield url
    finally:
        _end(process)


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("\n".join(logs.tail(log))) from None
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate
        process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP)
            return
    processes.kill(process)

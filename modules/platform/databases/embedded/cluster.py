"""The files of a PostgreSQL cluster: made by initdb, checked, cleaned, and its settings."""

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from modules.platform.databases.embedded import locks, logs, processes
from modules.platform.databases.embedded.accounts import Account, named_account
from modules.platform.databases.embedded.errors import DataMismatch, ServerDidNotStart
from modules.platform.databases.embedded.places import Place

MAJOR = "18"
PORT = "5432"  # only part of the socket's name: no TCP port is opened
SOCKET = f".s.PGSQL.{PORT}"
DATABASE = USER = "ficus"

SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "max_connections": "400",  # every module, worker and test process has a pool of its own
    "max_locks_per_transaction": "256",  # partitions and many schemas in one migration
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_level": "replica",
    "random_page_cost": "1.1",  # solid state
    "jit": "off",  # short queries: compiling costs more than it gives
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",  # else the log grows by a line every five minutes of work
}
FLEETING = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
INITDB = (
    f"--username={USER}",
    "--auth-local=trust",  # the socket's directory is 0700
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # the same order on every machine, whatever its libc
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Postmaster:
    """The lines of postmaster.pid that concern us."""

    pid: int
    socket_directory: str
    ready: bool


def options(*, sockets: Path, tag: str, durable: bool) -> list[str]:
    """The server's settings as command line options; the tag shows in its processes' titles."""
    settings = SETTINGS | ({} if durable else FLEETING)
    settings |= {"unix_socket_directories": str(sockets), "cluster_name": tag}
    return [f"--{name}={value}" for name, value in settings.items()]


def read_postmaster(place: Place) -> Postmaster | None:
    """What the running postmaster noted; None before it has written all of it."""
    try:
        lines = (place.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 5 or not lines[0].isdigit():
        return None
    ready = len(lines) > 7 and lines[7].strip() == "ready"
    return Postmaster(pid=int(lines[0]), socket_directory=lines[4], ready=ready)


def initialise(
    place: Place, account: Account, programs: Path, *, lock: int, deadline: float, durable: bool
) -> None:
    """Make an empty cluster, whole or not at all. Raises ServerDidNotStart, NoAccount.

    initdb inherits the server's lock: if we are killed, the next starter waits for it to end.
    """
    draft = place.directory / "data.new"  # what a killed initdb left is thrown away
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    maker = named_account(account)
    maker.own(draft)
    argv = [str(programs / "initdb"), "-D", str(draft), *INITDB]
    argv += [] if durable else ["--no-sync"]
    written = logs.size(place.log)
    process = processes.spawn(argv, log=place.log, cwd=Path("/"), account=maker, keep=[lock])
    with processes.ended_on_error(process):
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(locks.PAUSE)
    if process.poll() != 0:
        error = failure(process, place.log, written)
        shutil.rmtree(draft, ignore_errors=True)
        raise error
    account.own_tree(draft)
    draft.rename(place.data)


def check_version(place: Place) -> None:
    """Raises DataMismatch when another major version wrote the data."""
    found = (place.data / "PG_VERSION").read_text().strip()
    if found != MAJOR:
        raise DataMismatch(what="PostgreSQL", data=place.data, found=found, expected=MAJOR)


def clear_stale(place: Place, sockets: Path) -> None:
    """Remove what a killed server left. We hold its lock, so none of its processes lives.

    PostgreSQL itself would believe a pid that now belongs to a stranger.
    """
    (place.data / "postmaster.pid").unlink(missing_ok=True)
    for left in sockets.glob(f"{SOCKET}*"):
        left.unlink()


def failure(process: subprocess.Popen[bytes], log: Path, since: int) -> ServerDidNotStart:
    """Why the process failed, and make sure that it is gone."""
    late = process.poll() is None
    if late:
        processes.kill(process)
    tail = logs.tail(log, since=since)
    reason = "no answer in time" if late else logs.telling_line(tail)
    return ServerDidNotStart(what="PostgreSQL", reason=reason, log=log, log_tail=tail)

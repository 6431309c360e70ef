"""Two PostgreSQL servers of a test's own that are reached over TCP, as two machines are."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from modules.platform.databases.embedded import binaries
from modules.platform.databases.embedded.accounts import server_account
from tests.extraction.protocol.network import HOST, Link
from tests.extraction.protocol.older import initialise, serving
from tests.ports import free_port


@dataclass(frozen=True, slots=True)
class Machine:
    """``url`` is for whoever stands beside it; others come over the network."""

    url: str
    port: int
    password: str

    def through(self, link: Link, url: str) -> str:
        """Where sessions connect from elsewhere to the database that is ``url`` beside it."""
        return make_conninfo(url, host=HOST, port=link.port, password=self.password)


@contextmanager
def machines() -> Iterator[tuple[Machine, Machine]]:
    """Both, for as long as the block lasts."""
    home = Path(tempfile.mkdtemp(prefix="ficus-far-"))
    home.chmod(0o755)  # as root PostgreSQL runs under a user of its own, which must get there
    rooms = home / "one", home / "other"
    try:
        account = server_account(rooms[0] / "data")
        programs = binaries.postgres_programs(account)
        for room in rooms:
            room.mkdir(mode=0o755)
        initialise(programs, rooms[0], rooms[0] / "data", account)
        shutil.copytree(rooms[0] / "data", rooms[1] / "data")
        account.own_tree(rooms[1] / "data")
        with ExitStack() as stack:
            ports = free_port(), free_port()
            urls = [
                stack.enter_context(
                    serving(
                        programs,
                        room,
                        room / "data",
                        account,
                        listen_addresses=HOST,
                        port=str(port),
                    )
                )
                for room, port in zip(rooms, ports, strict=True)
            ]
            one, other = (_known(url, port) for url, port in zip(urls, ports, strict=True))
            yield one, other
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _known(url: str, port: int) -> Machine:
    password = secrets.token_urlsafe()
    with psycopg.connect(url, autocommit=True) as server:
        alter = sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}")
        server.execute(alter.format(sql.Literal(password)))
    return Machine(url, port, password)

"""Two databases with a small module, as a test needs them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg
import pytest

from modules.extraction.protocol import Backfill, Direction, Move, Stream, install, scrub
from tests import memory
from tests.extraction.protocol.older import older
from tests.extraction.protocol.servers import OtherServer
from tests.extraction.protocol.shop import databases, lines, till

Old = Callable[[int], tuple[str, ...]]  # the URLs of two databases, by version
ROWS = """
INSERT INTO till.account (name) SELECT 'a' || n FROM generate_series(1, 50) n;
INSERT INTO till.entry (account_id, amount) SELECT 1 + n % 50, n FROM generate_series(1, 200) n;
INSERT INTO till.note SELECT 'k' || n % 7, date '2020-01-01' + n, 'x' FROM generate_series(1, 60) n;
"""


@dataclass
class Pair:
    """A move and plain sessions in both databases, as an application has them."""

    move: Move
    source: psycopg.Connection
    target: psycopg.Connection

    def copy(self) -> Pair:
        """Install, copy everything, catch up."""
        install(self.move)
        with Backfill(self.move) as backfill:
            backfill.run(seconds=30)
        return self

    def ready(self) -> Pair:
        """The same, and scrubbed: a cutover may come."""
        self.copy()
        assert scrub(self.move).count == 0
        return self

    def sync(self, direction: Direction = Direction.FORWARD) -> int:
        """Apply what waits; how many rows of the log that were."""
        rows = 0
        with Stream(self.move, direction) as stream:
            while (applied := stream.apply_once()).rows:
                rows += applied.rows
        return rows

    def same(self) -> bool:
        """Whether both sides have the very same rows, asked plainly."""
        return lines(self.source) == lines(self.target)


@pytest.fixture(scope="session")
def urls() -> Iterator[tuple[str, ...]]:
    """Two databases for all tests, because making one takes longer than most of them."""
    with databases(os.environ["DATABASE_URL"], "source", "target") as made:
        yield made


@pytest.fixture(scope="session")
def old() -> Iterator[Old]:
    """Two databases on one older PostgreSQL, which begins when its version is asked for."""
    with ExitStack() as stack:

        @cache
        def made(version: int) -> tuple[str, ...]:
            server = stack.enter_context(older(version))
            return stack.enter_context(databases(server, "source", "target"))

        yield made


@pytest.fixture
def pair(urls: tuple[str, ...]) -> Iterator[Pair]:
    """Both databases with the small module and some rows at the source; nothing installed."""
    with sessions(till(*urls)) as pair:
        yield pair


@pytest.fixture(scope="module")
def other() -> Iterator[OtherServer]:
    """One for all tests of a file."""
    home = Path(tempfile.mkdtemp(prefix="ficus-move-", dir=memory.directory()))
    home.chmod(0o755)  # as root PostgreSQL runs under a user of its own, which must get there
    server = OtherServer(home)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def apart(urls: tuple[str, ...], other: OtherServer) -> Iterator[Pair]:
    """As ``pair``, with the target on the other server."""
    with sessions(till(urls[0], other.database)) as pair:
        yield pair


@contextmanager
def sessions(move: Move) -> Iterator[Pair]:
    """Plain sessions in both databases of ``move``, and some rows at the source."""
    with (
        psycopg.connect(move.source.url, autocommit=True) as source,
        psycopg.connect(move.target.url, autocommit=True) as target,
    ):
        source.execute(ROWS)
        yield Pair(move, source, target)

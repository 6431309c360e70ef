"""A service asks its own database whether a module is its own."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from modules.platform.databases.aliases import alias_of
from modules.platform.databases.ownership import GOOD_FOR, OwnDatabase
from modules.platform.databases.roles import logged_in
from tests.platform.example import EXAMPLE
from tests.platform.resilience.clocks import Clock

pytestmark = pytest.mark.django_db(transaction=True)
MODULE = EXAMPLE
MOVE = f"{MODULE}_move"
OWNERSHIP = sql.Identifier(MOVE, "ownership")
BESIDE = f"CREATE SCHEMA {MOVE}; CREATE TABLE {MOVE}.ownership (owner text)"


class Server:
    """A module's database, and how often it was connected to."""

    def __init__(self) -> None:
        self.connected = 0
        self.is_away = False
        self.last: psycopg.Connection | None = None

    def connect(self, module: str) -> psycopg.Connection:
        if self.is_away:
            raise psycopg.OperationalError("away")
        self.connected += 1
        self.last = logged_in(alias_of(module))
        return self.last


@pytest.fixture
def session() -> Iterator[psycopg.Connection]:
    """Of whoever moves the module; what it has put beside it goes again."""
    with logged_in(alias_of(MODULE)) as connection:
        yield connection
        connection.execute(f"DROP SCHEMA IF EXISTS {MOVE} CASCADE")


def put(session: psycopg.Connection, owner: str) -> None:
    session.execute(sql.SQL("DELETE FROM {}").format(OWNERSHIP))
    session.execute(sql.SQL("INSERT INTO {} VALUES (%s)").format(OWNERSHIP), [owner])


def test_what_is_not_being_moved_is_the_services(session: psycopg.Connection) -> None:
    """Nothing stands beside the module: a host that has always been on its own."""
    own = OwnDatabase()
    assert own.has(MODULE)
    own.close()


def test_the_owners_row_decides(session: psycopg.Connection) -> None:
    """A copy that is kept current is not the service's, until it is told so; and back."""
    clock = Clock()
    own = OwnDatabase(clock=clock)
    session.execute(BESIDE)
    for owner in ("monolith", "service", "monolith"):
        put(session, owner)
        clock.now += GOOD_FOR
        assert own.has(MODULE) is (owner == "service")
    own.close()


def test_an_answer_is_good_for_a_moment(session: psycopg.Connection) -> None:
    """A worker asks before each batch, and one connection is enough for all of it."""
    clock, server = Clock(), Server()
    own = OwnDatabase(server.connect, clock=clock)
    session.execute(BESIDE)
    put(session, "monolith")
    assert not own.has(MODULE)
    put(session, "service")
    assert not own.has(MODULE)
    clock.now += GOOD_FOR
    assert own.has(MODULE)
    assert server.connected == 1
    own.close()


def test_while_the_database_is_away_what_was_known_stays(session: psycopg.Connection) -> None:
    """It is asked again, over another connection, as soon as it is back."""
    clock, server = Clock(), Server()
    own = OwnDatabase(server.connect, clock=clock)
    session.execute(BESIDE)
    put(session, "monolith")
    assert not own.has(MODULE)
    assert server.last is not None
    session.execute("SELECT pg_terminate_backend(%s)", [server.last.info.backend_pid])
    put(session, "service")
    server.is_away = True
    for _ in range(2):
        clock.now += GOOD_FOR
        assert not own.has(MODULE)
    server.is_away = False
    clock.now += GOOD_FOR
    assert own.has(MODULE)
    own.close()

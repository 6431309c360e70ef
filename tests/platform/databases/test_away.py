"""A server that is away: who waits for it, for how long, and how soon it is found again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from psycopg.conninfo import make_conninfo

from modules.platform.databases.aliases import database_settings
from modules.platform.databases.away import is_away
from modules.platform.databases.backend import base
from tests.extraction.protocol.machines import Machine, machines
from tests.extraction.protocol.network import HOST, Link
from tests.platform.example import EXAMPLE
from tests.ports import free_port
from tests.waiting import eventually

PATIENCE = 0.5  # seconds that the pools here wait; the shop's wait 3
LONG = 10.0  # where a session is there to be had, and only a slow machine keeps it back
AT_ONCE = 0.1  # seconds
_numbers = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Machine]:
    """One that is reached over TCP."""
    with machines() as (one, _):
        yield one


@pytest.fixture(autouse=True)
def database_access(django_db_blocker: Any) -> Iterator[None]:
    """No database of the tests' own is used, but a server of this file's."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(autouse=True)
def nobody_waited_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test before found of the same server is none of this one's."""
    monkeypatch.setattr(base, "_servers", {})
    monkeypatch.setattr(base, "_logins", {})


@contextmanager
def alias(url: str, patience: float = PATIENCE) -> Iterator[BaseDatabaseWrapper]:
    """As hosts have them, but for its name (Django keeps pools by it) and the pool's patience."""
    pool = {"min_size": 0, "max_size": 8, "timeout": patience, "reconnect_timeout": patience}
    aliases = database_settings(url=url, modules=[EXAMPLE], overrides={}, pool=pool, roles=False)
    name = f"away_{next(_numbers)}"
    connections = ConnectionHandler({"default": {}, name: aliases[EXAMPLE]})
    one: BaseDatabaseWrapper = connections[name]
    one.inc_thread_sharing()
    try:
        yield one
    finally:
        connections.close_all()
        one.close_pool()  # type: ignore[attr-defined]


def ask(connection: BaseDatabaseWrapper) -> tuple[bool, float]:
    """Whether the server answers, and after how many seconds it is known."""
    began = time.monotonic()
    trouble: OperationalError | None = None
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError as error:
        trouble = error
    seconds = time.monotonic() - began
    connection.close()
    assert trouble is None or is_away(trouble)
    return trouble is None, seconds


def ask_together(connection: BaseDatabaseWrapper, many: int) -> list[float]:
    """So many threads, of which none is answered; how long each waited, from the shortest."""

    def once(_: int) -> tuple[bool, float]:
        return ask(connection.copy())

    with ThreadPoolExecutor(many) as threads:
        asked = list(threads.map(once, range(many)))
    assert not any(answered for answered, _ in asked)
    return sorted(seconds for _, seconds in asked)


def test_one_waits_and_the_others_are_told_at_once(server: Machine) -> None:
    """So that a process has threads left for what needs no database; back, it is found soon."""
    port = free_port()
    nobody = make_conninfo(server.url, host=HOST, port=port, password=server.password)
    with alias(nobody) as shop:
        for _ in range(2):
            answered, seconds = ask(shop)
            assert (answered, seconds >= PATIENCE) == (False, True)
        assert ask_together(shop, 8)[-1] < AT_ONCE
        time.sleep(PATIENCE)
        *others, longest = ask_together(shop, 8)
        assert longest >= PATIENCE * 0.9
        assert others[-1] < AT_ONCE
        with Link(server.port, port):
            eventually(lambda: ask(shop)[0], what="an answer", within=3 * PATIENCE + 1)
            assert all(ask(shop)[0] for _ in range(5))
            shop.close_pool()  # type: ignore[attr-defined]


def test_who_cannot_log_in_keeps_nobody_else_out(server: Machine) -> None:
    """The server asked for a password, so it is there, and nothing is refused to others."""
    right = make_conninfo(server.url, host=HOST, port=server.port, password=server.password)
    with alias(make_conninfo(right, user="unknown_to_it")) as barred, alias(right, LONG) as welcome:
        for _ in range(2):
            *others, longest = ask_together(barred, 4)
            assert longest >= PATIENCE * 0.9
            assert ask_together(barred, 4)[-1] < AT_ONCE
            assert ask(welcome)[0]
            time.sleep(PATIENCE)
        assert others[-1] < AT_ONCE


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"port": 1}, r"port 1 failed: Connection refused\Z"),
        ({"user": "unknown_to_it"}, r'authentication failed for user "unknown_to_it"\Z'),
        ({"dbname": "none_such"}, r'database "none_such" does not exist\Z'),
    ],
)
def test_who_waited_in_vain_is_told_why(server: Machine, wrong: dict[str, Any], said: str) -> None:
    """In one line, and so is the third, who is told at once where the whole server is away."""
    right = make_conninfo(server.url, host=HOST, port=server.port, password=server.password)
    with alias(make_conninfo(right, **wrong)) as shop:
        for _ in range(3):
            with pytest.raises(OperationalError, match=said) as found, shop.cursor():
                pass
            assert "\n" not in str(found.value)


def test_who_finds_all_sessions_taken_is_told_of_no_trouble(server: Machine) -> None:
    """A server that was away and is back has nothing to do with it."""
    port = free_port()
    url = make_conninfo(server.url, host=HOST, port=port, password=server.password)
    with alias(url) as shop:
        assert not ask(shop)[0]
        with Link(server.port, port):
            eventually(lambda: ask(shop)[0], what="an answer", within=3 * PATIENCE + 1)
            taken = [shop.copy() for _ in range(8)]
            for one in taken:
                one.ensure_connection()
            with (
                pytest.raises(OperationalError, match=rf"after {PATIENCE:.2f} sec\Z"),
                shop.cursor(),
            ):
                pass
            for one in taken:
                one.close()
            shop.close_pool()  # type: ignore[attr-defined]


def test_session_through_a_network_that_is_gone_is_given_up(server: Machine) -> None:
    """Its packets are lost without a word; the kernel says so after the time that it was told."""
    with Link(server.port) as link:
        url = make_conninfo(server.through(link, server.url), tcp_user_timeout=500)
        with alias(url, LONG) as shop:
            assert ask(shop)[0]
            link.cut()
            answered, seconds = ask(shop)
            assert not answered
            assert 0.4 < seconds < 10
            link.heal()
            eventually(lambda: ask(shop)[0], what="an answer")

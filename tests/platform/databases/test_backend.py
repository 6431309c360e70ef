"""Sessions that their server has ended, and servers whose host has gone without a word."""

from __future__ import annotations

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError, connections
from django.db.backends.postgresql import base
from psycopg import pq
from psycopg.conninfo import make_conninfo

from modules.platform.databases.aliases import GONE, database_settings
from modules.platform.databases.backend.base import DatabaseWrapper, is_ended
from tests.platform.example import EXAMPLE
from tests.sessions import end_sessions

PID = "SELECT pg_backend_pid()"


def held(count: int) -> set[int]:
    """The server's processes of so many sessions at once; afterwards they are back in the pool."""
    together = Barrier(count, timeout=30)

    def hold(_: int) -> int:
        try:
            with connections[EXAMPLE].cursor() as cursor:
                cursor.execute(PID)
                together.wait()
                return int(cursor.fetchone()[0])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as threads:
        return set(threads.map(hold, range(count)))


def of_the_same_server(wrapper: type[base.DatabaseWrapper]) -> base.DatabaseWrapper:
    """A connection of the example's, by another engine."""
    return wrapper(connections[EXAMPLE].settings_dict, alias=f"test_{wrapper.__module__}")


def session_of(connection: base.DatabaseWrapper) -> int:
    """The server's process; its session goes back to the pool."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(PID)
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_sessions_that_were_ended_are_not_handed_out() -> None:
    """All three of a pool: the next three who ask are served, by others."""
    connections[EXAMPLE].close()
    connections[EXAMPLE].close_pool()  # earlier tests may have left more in it, which take turns
    first = held(3)
    assert held(3) == first
    end_sessions(*first)
    assert held(3).isdisjoint(first)


@pytest.mark.django_db(transaction=True)
def test_djangos_own_engine_hands_them_out() -> None:
    """What the test above is about."""
    plain, ours = of_the_same_server(base.DatabaseWrapper), of_the_same_server(DatabaseWrapper)
    try:
        end_sessions(session_of(plain), session_of(ours))
        with pytest.raises(OperationalError):
            session_of(plain)
        assert session_of(ours)
    finally:
        plain.close_pool()
        ours.close_pool()


def test_looking_is_cheap_and_asks_the_server_nothing() -> None:
    """200 looks take less than 20 ms of the processor."""
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as session:
        began = time.thread_time()
        assert not any(is_ended(session) for _ in range(200))
        assert time.thread_time() - began < 0.02
        end_sessions(session.info.backend_pid)
        assert is_ended(session)
        session.close()
        assert is_ended(session)


def test_nobody_waits_for_a_session_when_no_attempt_at_one_is_made() -> None:
    """An attempt pauses twice as long each time: one that outlives those who wait for it would keep
    a server that is back from being found.
    """
    pool = connections[EXAMPLE].settings_dict["OPTIONS"]["pool"]
    assert pool["reconnect_timeout"] <= pool["timeout"]


def test_host_that_has_gone_without_a_word_is_given_up() -> None:
    """The kernel is told when: it would try for a quarter of an hour."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        url = f"postgresql://somebody@{host}:{port}/shop"
        aliases = database_settings(url=url, modules=[EXAMPLE], overrides={}, pool={}, roles=False)
        given = {name: aliases[EXAMPLE]["OPTIONS"][name] for name in GONE}
        pending = pq.PGconn.connect_start(make_conninfo(url, **given).encode())
        try:
            with socket.socket(fileno=os.dup(pending.socket)) as session:
                told = [
                    session.getsockopt(socket.IPPROTO_TCP, option)
                    for option in (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE)
                ]
        finally:
            pending.finish()
    assert told == [10_000, 5]


def test_what_the_url_says_of_it_wins() -> None:
    """An operator knows the network better."""
    url = "postgresql:///shop?connect_timeout=3"
    aliases = database_settings(url=url, modules=[EXAMPLE], overrides={}, pool={}, roles=False)
    assert aliases[EXAMPLE]["OPTIONS"]["connect_timeout"] == "3"

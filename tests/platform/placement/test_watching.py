"""What a process knows of the table: soon, always something, and how old it is."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connections

from modules.platform.placement import table
from modules.platform.placement.listening import TableSource
from modules.platform.placement.placed import HERE
from modules.platform.placement.watching import Watcher
from tests.platform.example import EXAMPLE
from tests.platform.placement.tables import Still
from tests.sessions import end_sessions
from tests.waiting import eventually, seconds_until

pytestmark = pytest.mark.django_db(transaction=True)
NEVER = 3600.0  # seconds between two looks: only a word brings news


@pytest.fixture
def watching() -> Iterator[Callable[[float], Watcher]]:
    """``watching(interval)``: a watcher of the real table."""
    made: list[Watcher] = []

    def watch(interval: float) -> Watcher:
        made.append(Watcher(TableSource(), interval=interval))
        assert made[-1].wait(10)
        return made[-1]

    yield watch
    for one in made:
        one._stop.set()
        table.swap("notification", percent=99, actor="t", reason="wakes those that wait")
        one.close()


def _place(percent: int) -> None:
    table.swap(EXAMPLE, percent=percent, actor="op", reason="because")


def _session(watcher: Watcher) -> int:
    """The server process that its connection speaks to."""
    source = watcher._source
    assert isinstance(source, TableSource)
    eventually(lambda: source._connection)
    assert source._connection is not None
    return source._connection.info.backend_pid


def test_change_is_known_in_far_less_than_a_second(watching: Callable[[float], Watcher]) -> None:
    """As every process of a host has it: ten times, there and back."""
    watcher = watching(0.2)
    slowest = 0.0
    for percent in [100, 0] * 5:
        _place(percent)
        slowest = max(slowest, seconds_until(lambda p=percent: watcher.of(EXAMPLE).percent == p))
    assert slowest < 1.0


def test_word_of_the_database_is_enough(watching: Callable[[float], Watcher]) -> None:
    """A watcher that would not look for an hour hears of the change."""
    watcher = watching(NEVER)
    time.sleep(0.1)
    _place(40)
    eventually(lambda: watcher.of(EXAMPLE).percent == 40)


def test_looking_is_enough_where_words_are_lost(watching: Callable[[float], Watcher]) -> None:
    """A row that was written without a word is found at the next look."""
    watcher = watching(0.05)
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO placement_placement (module, percent, revision, actor, reason) "
            "VALUES (%s, 7, 1, 'restore', 'a backup')",
            [EXAMPLE],
        )
    eventually(lambda: watcher.of(EXAMPLE).percent == 7)
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM placement_placement")
    eventually(lambda: watcher.of(EXAMPLE) == HERE)


def test_ended_session_is_made_anew(watching: Callable[[float], Watcher]) -> None:
    """As after a failover; what is known stays meanwhile."""
    watcher = watching(0.05)
    _place(30)
    eventually(lambda: watcher.of(EXAMPLE).percent == 30)

    pid = _session(watcher)
    end_sessions(pid)
    assert watcher.of(EXAMPLE).percent == 30

    _place(31)
    eventually(lambda: watcher.of(EXAMPLE).percent == 31)
    assert _session(watcher) != pid


def test_last_table_stays_while_the_database_is_away() -> None:
    """And its age is told, growing, until it is back."""
    source, now = Still(), [100.0]
    source.watcher = Watcher(source, clock=lambda: now[0])
    assert source.watcher.age() is None
    source.place(EXAMPLE, 25)
    source.trouble = psycopg.OperationalError("the server is gone")

    now[0] += 60
    assert not source.watcher.turn()
    assert source.watcher._known[EXAMPLE].percent == 25
    assert source.watcher.age() == 60

    source.trouble = None
    assert source.watcher.turn()
    assert source.watcher.age() == 0


def test_everything_is_here_before_the_first_answer() -> None:
    """Which is never wrong; the first question starts the thread, and nothing before."""
    source = Still()
    source.trouble = psycopg.OperationalError("not yet")
    watcher = Watcher(source, interval=0.01)
    assert source.reads == 0
    assert watcher.of(EXAMPLE) == HERE
    eventually(lambda: source.reads)
    watcher.close()


def test_forked_child_looks_for_itself(watching: Callable[[float], Watcher]) -> None:
    """By a session of its own, and the parent's goes on."""
    watcher = watching(0.05)
    _place(10)
    eventually(lambda: watcher.of(EXAMPLE).percent == 10)
    begin, go = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forking beside threads: that is what is tried here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            kept = watcher.of(EXAMPLE).percent == 10
            os.write(begin[1], b"x")
            os.read(go[0], 1)
            eventually(lambda: watcher.of(EXAMPLE).percent == 60)
            code = 0 if kept else 1
        finally:
            os._exit(code)
    os.read(begin[0], 1)
    _place(60)
    os.write(go[1], b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    eventually(lambda: watcher.of(EXAMPLE).percent == 60)
    for end in (*begin, *go):
        os.close(end)

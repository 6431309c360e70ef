"""A controller that stands still in its last transaction, which has the stream's position."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from datetime import timedelta

import psycopg
import pytest

from modules.extraction.protocol import Direction, NotYetGranted, Stream, heal
from modules.extraction.protocol.controlling import Controller
from modules.extraction.protocol.draining import be_quick, catch_up, drained, rehearse
from modules.extraction.protocol.owning import read_ownership
from tests.extraction.protocol.conftest import Old, Pair, sessions
from tests.extraction.protocol.older import WHEELS, versions
from tests.extraction.protocol.processes import running
from tests.extraction.protocol.shop import till
from tests.extraction.protocol.test_processes import INSERT
from tests.waiting import eventually

HOLD = "SELECT FROM till_move.stream WHERE name = 'forward' FOR UPDATE"
TTL = timedelta(milliseconds=500)


def test_behind_its_commit_point_it_costs_its_time_to_live(pair: Pair) -> None:
    """Its transaction is ended; then whoever comes by tells the service, which has the module."""
    pair.ready()
    crash = "cutover.committed:1:stop"
    with running(pair.move, "cutover", FICUS_MOVE_CRASH_AT=crash) as control:
        eventually(lambda: _owner(pair) == "service", within=30, what="the commit point")
        began = time.monotonic()
        while not _service_writes(pair):
            with suppress(psycopg.OperationalError, NotYetGranted):
                heal(pair.move)
        paused = time.monotonic() - began
        os.kill(control.pid, signal.SIGCONT)
        assert control.wait(30) == 0
    assert paused < 1.5  # TTL 1 s, and room for a busy machine
    assert _service_writes(pair)


def test_it_holds_no_stream_up_for_longer(pair: Pair) -> None:
    _stands_still(pair)


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(one, marks=() if one in WHEELS else pytest.mark.debian, id=str(one))
        for one in versions()
    ],
)
def test_nor_on_an_older_server(old: Old, version: int) -> None:
    with sessions(till(*old(version))) as pair:
        _stands_still(pair)


def _stands_still(pair: Pair) -> None:
    """With all brought that is behind its fence."""
    pair.ready()
    pair.target.execute("SET lock_timeout = '100ms'")
    pair.source.execute("UPDATE till.account SET balance = 1")
    with Controller(pair.move) as control, Stream(pair.move, Direction.FORWARD) as stream:
        catch_up(stream)
        rehearse(stream)
        be_quick(stream, TTL)
        _epoch, marker = control.fence(pair.move.source, TTL, 5)
        with pytest.raises(psycopg.InternalError):  # its session is gone
            _stand_still(pair, stream, marker)


def _stand_still(pair: Pair, stream: Stream, marker: int) -> None:
    with drained(stream, marker, until=time.monotonic() + 5):
        with pytest.raises(psycopg.errors.LockNotAvailable):
            pair.target.execute(HOLD)
        time.sleep(2 * TTL.total_seconds())
        pair.target.execute(HOLD)


def _owner(pair: Pair) -> str:
    return read_ownership(pair.source, pair.move.source).owner


def _service_writes(pair: Pair) -> bool:
    try:
        pair.target.execute(INSERT)
    except psycopg.DatabaseError:
        return False
    return True

"""Swaps whose time is over: before the commit point nothing has moved, after it all is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest
from psycopg import sql

from modules.extraction import protocol
from modules.extraction.models import Capability, Step
from modules.extraction.moves import move_of
from modules.extraction.protocol.guarding import locks
from modules.extraction.protocol.sides import Side
from tests.extraction.commands import asked, done, pay, service_rows, strangler
from tests.proxy.front import FrontDoor

SOON = 1.0  # seconds
WRITE = "UPDATE payment_payment SET email = 'there' RETURNING 1"


@contextmanager
def writers(side: Side) -> Iterator[None]:
    """One after the other, so that none is old when the guards are looked at, and no end of them:
    the lock that each of them has for its transaction is never free.
    """
    with psycopg.connect(side.url, autocommit=True) as connection:
        lock, _ = locks(side)
        connection.execute(sql.SQL("SELECT pg_advisory_lock_shared({})").format(lock))
        yield


def cutover_is_given_up(door: FrontDoor) -> None:
    """Writers let no fence in: the monolith has it, and takes writes."""
    with writers(move_of("payment").source):
        _timed_out("cutover")
        _attempts_end_with_the_time(partial(protocol.cutover, checked=False))
    assert Capability.objects.get(module="payment").phase == "shadow"
    assert asked(door) == "monolith"
    _canaries_upstream(door)
    pay(1)


def rollback_is_given_up(door: FrontDoor) -> None:
    """The service has it, and takes writes."""
    with writers(move_of("payment").target):
        _timed_out("rollback")
        _attempts_end_with_the_time(protocol.rollback)
    assert Capability.objects.get(module="payment").phase == "extracted"
    assert door.admin("GET", "/-/table").json()["capabilities"]["payment"]["held"] is False
    assert service_rows(WRITE)
    done("rollback", "--timeout", "60")
    _canaries_upstream(door)


def time_that_ends_after_the_commit_point_is_no_reason_to_stop() -> None:
    """It rolls forward, and is done."""
    done("verify")
    by = time.monotonic() + 3

    def dawdle(step: str) -> None:
        if step == "committed":
            time.sleep(max(0.0, by - time.monotonic()))

    protocol.cutover(move_of("payment"), by=by, checked=False, watch=dawdle)
    assert service_rows(WRITE)


def _timed_out(verb: str) -> None:
    """One line, and nothing has changed hands."""
    code, out, err = strangler(
        verb, "payment", "--reason", "a test", "--yes", "--timeout", str(SOON)
    )
    assert (code, out) == (1, "")
    assert f"{verb} payment is not done after {SOON:g} s" in err
    assert Step.objects.latest("id").outcome == "failed"


def _attempts_end_with_the_time(swap: Callable[..., object]) -> None:
    """20 of them would take some 10 s."""
    began = time.monotonic()
    with pytest.raises(protocol.TimeIsUp, match="did not let the fence in"):
        swap(move_of("payment"), by=began + SOON)
    assert time.monotonic() - began < SOON + 6


def _canaries_upstream(door: FrontDoor) -> None:
    """A share that is placed now goes to instances on the monolith's data again."""
    table = door.admin("GET", "/-/table").json()
    assert table["capabilities"]["payment"]["service"] == "payment"
    assert table["upstreams"]["payment"]["registry"]["role"] == "origin"

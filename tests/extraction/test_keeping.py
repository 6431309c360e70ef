"""What goes on between two verbs, and what is done about one that died."""

from __future__ import annotations

import logging
import threading
import time

import psycopg
import pytest

from modules.extraction import protocol, standings, targets
from modules.extraction.following import Watched, watch
from modules.extraction.models import Step
from modules.extraction.moves import move_of
from modules.extraction.steps import Ask
from modules.platform.contracts import Moved
from tests.extraction.commands import (
    asked,
    done,
    leftovers,
    make_partitions,
    monolith_rows,
    own_instance,
    pay,
    service_rows,
    strangler,
    told,
)
from tests.proxy.front import FrontDoor
from tests.waiting import eventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(300),
]

PARTS = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'bus_outbox'::regclass ORDER BY 1
"""
GUARDED = """
SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgname = 'ficus_guard' AND c.relname LIKE 'bus_outbox_%'
"""
CUT_OFF = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'ficus payment forward apply' AND datname = current_database()
"""
COUNT = "SELECT count(*) FROM payment_payment"


def carried() -> bool | None:
    """Whether somebody carries changes, by the word of ``status``."""
    found: bool | None = told("status", "payment")[1]["modules"][0]["carried"]
    return found


def logged(caplog: pytest.LogCaptureFixture, event: str) -> int:
    """How often, of the stream."""
    said = (one.getMessage() for one in caplog.records)
    return sum(event in one and "'work': 'fences'" not in one for one in said)


def there() -> int:
    return int(service_rows(COUNT)[0][0])


class Watching:
    """``watch`` in a thread, as a process of its own would run it."""

    def __enter__(self) -> Watching:
        self._stop, self.report = threading.Event(), list[Watched]()
        ask = Ask(module="payment", reason="watch", timeout=60)
        self._thread = threading.Thread(target=lambda: self.report.append(watch(ask, self._stop)))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_kept_current_paused_and_mended(door: FrontDoor, caplog: pytest.LogCaptureFixture) -> None:
    """One extraction, in which everything stops at the wrong moment once."""
    done("create")
    _changes_are_carried()
    _stream_that_ended_is_begun_again(caplog)
    _partitions_are_level()
    _pause_stands_still()
    own_instance(door)
    done("verify")
    _dead_controller_after_its_commit_point(door)
    _step_without_an_end()
    done("rollback")
    _way_back_is_kept_short()
    done("cancel")
    _create_that_was_killed()


def _changes_are_carried() -> None:
    """As long as somebody watches, the other side follows by itself."""
    done("backfill")
    assert carried() is False
    assert "nobody" in strangler("status", "payment")[1]
    with Watching() as watching:
        pay(2)
        eventually(lambda: there() == 2)
        eventually(lambda: carried() is True)
    assert watching.report[0].rows >= 2


def _stream_that_ended_is_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    """Cut off it goes on by itself; without what it needs it ends, and is not called healthy; when
    that is back it is begun again, and says so once.
    """
    target = targets.known("payment")
    assert target is not None
    with (
        psycopg.connect(target.admin_url, autocommit=True) as connection,
        caplog.at_level(logging.INFO),
        Watching(),
    ):
        eventually(lambda: carried() is True)
        connection.execute(CUT_OFF)
        connection.execute("ALTER SCHEMA payment_move RENAME TO payment_gone")
        try:
            pay(1)
            eventually(lambda: logged(caplog, "move.stream_ended") == 1)
            shown = told("status", "payment")[1]["modules"][0]
            assert shown["databases"] not in ("monolith", "service")
            assert shown["carried"] is not True
            time.sleep(1.5)  # three looks
            assert logged(caplog, "extraction.begun_again") == 0
        finally:
            connection.execute("ALTER SCHEMA payment_gone RENAME TO payment_move")
        eventually(lambda: there() == 3)
        eventually(lambda: carried() is True)
    assert logged(caplog, "extraction.begun_again") == logged(caplog, "move.stream_ended") == 1


def _partitions_are_level() -> None:
    """What the monolith makes ahead the other side has, and nothing else, guards and all."""
    make_partitions()
    with Watching():
        eventually(lambda: service_rows(PARTS) == monolith_rows(PARTS))
        guarded = [(len(monolith_rows(PARTS)),)]
        eventually(lambda: service_rows(GUARDED) == monolith_rows(GUARDED) == guarded)
    assert guarded > [(3,)]
    # One that only the service's host has made ahead is not the authority's, and goes.
    # (Each side makes them ahead of its own log's head, and the monolith's may be far ahead.)
    service_rows("SELECT bus_make_partitions(1000000, 30)")
    assert service_rows(PARTS) != monolith_rows(PARTS)
    done("verify", "--quick")
    assert service_rows(PARTS) == monolith_rows(PARTS)


def _pause_stands_still() -> None:
    """Copy and streams wait, what changes waits in the log; resumed, it comes."""
    assert done("pause")["after"]["paused"]
    assert strangler("pause", "payment", "--reason", "twice")[0] == 1
    with Watching():
        pay(2)
        time.sleep(0.8)
        assert there() == 3
        assert not done("resume")["after"]["paused"]
        eventually(lambda: there() == 5)


def _dead_controller_after_its_commit_point(door: FrontDoor) -> None:
    """The data has moved, and nobody wrote it down or told the front door: found, and mended."""
    swap = protocol.cutover(move_of("payment"))
    assert standings.standing_of("payment").phase == "shadow"
    with pytest.raises(Moved):
        pay(1)
    code, found = told("doctor", "payment", "--dry-run")
    assert (code, found["cured"], found["found"]) == (3, False, "service")
    facts = [one["fact"] for one in found["faults"]]
    assert len(facts) == 3, facts
    assert f"the databases say extracted, epoch {swap.epoch}" in facts[0]
    assert facts[1] == f"the cutover of epoch {swap.epoch} has no receipt"
    assert "front door" in facts[2]
    assert asked(door) == "monolith"
    assert done("doctor")["cured"]
    standing = standings.standing_of("payment")
    assert (standing.phase, standing.epoch, standing.percent) == ("extracted", swap.epoch, 100)
    assert asked(door) == "service"
    code, found = told("doctor", "payment", "--dry-run")
    assert (code, found["faults"]) == (0, [])


def _step_without_an_end() -> None:
    """A process that was killed wrote no end: the record says so from then on."""
    Step.objects.create(module="payment", verb="verify", actor="somebody", reason="killed")
    assert told("doctor", "payment", "--dry-run")[0] == 3
    done("doctor")
    row = Step.objects.get(reason="killed")
    assert (row.outcome, row.detail) == ("failed", "its process ended before it did")


def _way_back_is_kept_short() -> None:
    """After the rollback the first stream runs again, and both sides are the same."""
    pay(1)
    assert done("verify")["rows_differ"] == 0
    assert there() == 6


def _create_that_was_killed() -> None:
    """A database that no step speaks of any more is removed."""
    target = targets.planned("payment")
    targets.make("payment", target)
    targets.keep("payment", target)
    assert told("doctor", "payment", "--dry-run")[0] == 3
    done("doctor")
    assert not targets.is_there(target)
    assert targets.known("payment") is None
    assert leftovers() == []

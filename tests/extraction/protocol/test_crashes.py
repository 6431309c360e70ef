"""A server crashes, and forgets transactions that others have seen."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from modules.extraction.protocol import (
    Backfill,
    Direction,
    NotYetGranted,
    State,
    Stream,
    cutover,
    cutting_over,
    heal,
    install,
    rollback,
)
from modules.extraction.protocol.cutting_over import Watch
from modules.extraction.protocol.rotating import rotate
from tests.extraction.protocol.conftest import Pair, sessions
from tests.extraction.protocol.servers import OtherServer
from tests.extraction.protocol.shop import till

INSERT = "INSERT INTO till.account (name) VALUES (gen_random_uuid())"
RELAXED, WAITING = "SET synchronous_commit = off", "SET synchronous_commit = on"


class Gone(Exception):
    """A controller's end, at the commit point."""


@pytest.fixture
def crashing(urls: tuple[str, ...], other: OtherServer) -> Iterator[Pair]:
    """A pair whose source is on the server that crashes."""
    with sessions(till(other.database, urls[1])) as pair:
        yield pair


def write_relaxed(session: psycopg.Connection) -> None:
    """Some transactions that do not wait for the disk, and one that fails."""
    session.execute(RELAXED)
    for _ in range(3):
        session.execute(INSERT)
    with pytest.raises(psycopg.errors.UniqueViolation):
        session.execute("INSERT INTO till.account (id, name) SELECT id, name FROM till.account")
    session.execute("UPDATE till.account SET balance = balance + 1")


def crashes(other: OtherServer, *, gone: bool = False) -> Watch:
    """The service's server crashes at the commit point, and the controller ends if ``gone``."""

    def watch(step: str) -> None:
        if step == "fenced":
            other.hold_log_back()
        elif step == "committed":
            other.crash()
            if gone:
                raise Gone

    return watch


def reconnect_source(pair: Pair) -> None:
    pair.source.close()
    pair.source = psycopg.connect(pair.move.source.url, autocommit=True)


def test_what_was_applied_outlasts_a_crash_of_where_it_was_read(
    crashing: Pair, other: OtherServer
) -> None:
    """Else the ids of its transactions come again, for changes that would never be applied."""
    crashing.ready()
    other.hold_log_back()
    write_relaxed(crashing.source)
    crashing.sync()
    other.crash()
    reconnect_source(crashing)
    with crashing.source:
        for _ in range(5):
            crashing.source.execute(INSERT)
        crashing.sync()
        assert crashing.same()


def test_what_was_copied_outlasts_a_crash_of_where_it_was_read(
    crashing: Pair, other: OtherServer
) -> None:
    """A chunk of the first copy, and the position that is committed with it."""
    install(crashing.move)
    other.hold_log_back()
    write_relaxed(crashing.source)
    with Backfill(crashing.move) as backfill:
        backfill.run(seconds=30)
    other.crash()
    reconnect_source(crashing)
    with crashing.source:
        for _ in range(5):
            crashing.source.execute(INSERT)
        crashing.sync()
        assert crashing.same()


def test_what_came_back_outlasts_a_crash_of_the_service(apart: Pair, other: OtherServer) -> None:
    """The same the other way round, after a cutover."""
    apart.ready()
    cutover(apart.move)
    other.hold_log_back()
    write_relaxed(apart.target)
    apart.sync(Direction.REVERSE)
    other.crash()
    with psycopg.connect(apart.move.target.url, autocommit=True) as apart.target:
        for _ in range(5):
            apart.target.execute(INSERT)
        rollback(apart.move)
        assert apart.same()


def test_a_log_is_emptied_of_what_is_on_disk_elsewhere_only(
    apart: Pair, other: OtherServer
) -> None:
    """A batch that a crash takes at its end is read again."""
    apart.ready()
    with Stream(apart.move, Direction.FORWARD) as stream:
        other.hold_log_back()
        apart.source.execute("UPDATE till.account SET balance = 11")
        apart.source.execute("SELECT setval('till_move.log_id', 1 << 20)")  # into the other half
        stream.apply_once()
        assert rotate(stream)
        other.crash()
    with psycopg.connect(apart.move.target.url, autocommit=True) as apart.target:
        apart.sync()
        assert apart.same()


def test_a_crash_after_the_commit_point_takes_no_last_change(
    apart: Pair, other: OtherServer
) -> None:
    """The drain is committed after it: what the crash takes is brought again."""
    apart.ready()
    apart.source.execute("UPDATE till.account SET balance = 12")
    cutover(apart.move, watch=crashes(other))
    with psycopg.connect(apart.move.target.url, autocommit=True) as apart.target:
        assert apart.same()
        apart.target.execute(INSERT)
        rollback(apart.move)
        assert apart.same()


def test_the_service_is_opened_over_nothing_less_than_it_was_given(
    apart: Pair, other: OtherServer
) -> None:
    """Controller and service end in the same moment; whoever heals brings what is missing."""
    apart.ready()
    apart.source.execute("UPDATE till.account SET balance = 13")
    with pytest.raises(Gone):
        cutover(apart.move, watch=crashes(other, gone=True))
    healed = heal(apart.move)
    assert (healed.found, healed.now) == (State.NOT_GRANTED, State.SERVICE)
    assert healed.did[0] == "brought the service its last changes"
    with psycopg.connect(apart.move.target.url, autocommit=True) as apart.target:
        assert apart.same()


def test_a_service_forgets_its_grant_only_with_all_after_it(
    apart: Pair, other: OtherServer
) -> None:
    """The word that opens it need not be on disk: without a write it is told again, and a write
    takes it along.
    """
    apart.ready()
    for written in (0, 1):
        apart.source.execute("UPDATE till.account SET balance = balance + 1")

        def crash(step: str, writes: int = written) -> None:
            if step == "fenced":
                other.hold_log_back()
            elif step == "granted":
                with other.session() as session:
                    session.execute(WAITING)
                    for _ in range(writes):
                        session.execute(INSERT)
                other.crash()
                raise Gone

        with pytest.raises(Gone):
            cutover(apart.move, watch=crash)
        found = State.SERVICE if written else State.NOT_GRANTED
        assert heal(apart.move).found is found
        with psycopg.connect(apart.move.target.url, autocommit=True) as apart.target:
            apart.sync(Direction.REVERSE)
            assert apart.same()
            rollback(apart.move)


def test_a_cutover_that_has_ended_outlasts_a_crash(apart: Pair, other: OtherServer) -> None:
    """Once it is said to be done the grant is on disk, too."""
    apart.ready()
    cutover(apart.move, watch=lambda step: step == "fenced" and other.hold_log_back())
    other.crash()
    assert heal(apart.move).found is State.SERVICE
    with psycopg.connect(apart.move.target.url, autocommit=True) as apart.target:
        apart.target.execute(INSERT)
        rollback(apart.move)
        assert apart.same()


def test_a_rollback_of_what_was_never_granted_brings_it_first(
    apart: Pair, other: OtherServer
) -> None:
    """It would take rows back that never arrived."""
    apart.ready()
    apart.source.execute("UPDATE till.account SET balance = 14")
    with pytest.raises(Gone):
        cutover(apart.move, watch=crashes(other, gone=True))
    rollback(apart.move)
    with psycopg.connect(apart.move.target.url, autocommit=True) as apart.target:
        assert apart.same()
    assert apart.source.execute("SELECT min(balance) FROM till.account").fetchone() == (14,)


def test_a_service_that_cannot_get_its_last_changes_stays_shut(
    apart: Pair, other: OtherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in the monolith's log; where they cannot be read from it, nobody guesses."""
    monkeypatch.setattr(cutting_over, "GRANT_SECONDS", 0.2)
    apart.ready()
    apart.source.execute("UPDATE till.account SET balance = 15")
    crash = crashes(other)

    def crash_and_hide(step: str) -> None:
        crash(step)
        if step == "committed":
            apart.source.execute("ALTER TABLE till_move.log RENAME TO log_away")

    with pytest.raises(NotYetGranted):
        cutover(apart.move, watch=crash_and_hide)
    with psycopg.connect(apart.move.target.url, autocommit=True) as apart.target:
        with pytest.raises(psycopg.DatabaseError, match="has moved"):
            apart.target.execute(INSERT)
        apart.source.execute("ALTER TABLE till_move.log_away RENAME TO log")
        assert heal(apart.move).now is State.SERVICE
        assert apart.same()

"""Installing and uninstalling, ended at any point: no write that nobody captured is ever missed."""

from __future__ import annotations

import pytest

from modules.extraction.protocol import (
    Backfill,
    NotInstalled,
    NotReady,
    ProtocolError,
    State,
    compare,
    cutover,
    heal,
    install,
    preflight,
    rollback,
    scrub,
    uninstall,
)
from modules.extraction.protocol.crashpoints import EXIT_CODE
from modules.extraction.protocol.sides import connect
from modules.extraction.protocol.uninstalling import remove
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.processes import Nursery, running

# Five tables and partitions lose their triggers one after the other on each side.
UNINSTALL = {
    "uninstall.parted": State.HALF_INSTALLED,
    "uninstall.removed": State.HALF_INSTALLED,
    "uninstall.removed:5": State.HALF_INSTALLED,
    "uninstall.monolith": State.HALF_INSTALLED,
    "uninstall.removed:7": State.HALF_INSTALLED,
    "uninstall.service": State.NOT_INSTALLED,
}
# Three tables get theirs.
INSTALL = {
    "install.parted": State.HALF_INSTALLED,
    "install.attached:2": State.HALF_INSTALLED,
    "install.monolith": State.HALF_INSTALLED,
    "install.attached:5": State.HALF_INSTALLED,
    "install.service": State.HALF_INSTALLED,
    "install.opened": State.HALF_INSTALLED,
    "install.begun": State.MONOLITH,
}
# A row that comes, one that changes, one that goes: in tables that were copied before.
WRITES = """
INSERT INTO till.account (name) VALUES (gen_random_uuid());
UPDATE till.account SET balance = balance + 1 WHERE id = 7;
DELETE FROM till.note WHERE (kind, day) = (SELECT kind, day FROM till.note ORDER BY day LIMIT 1);
"""
TRIGGERS = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'ficus%'"
VOID = {"first copy", "scrub"}


def write(pair: Pair) -> None:
    pair.source.execute(WRITES)


def failed(pair: Pair) -> set[str]:
    return {one.name for one in preflight(pair.move) if not one.ok}


def moved_whole(pair: Pair) -> None:
    """What was copied before is nothing; copied again, all is there after a green cutover."""
    assert failed(pair) >= VOID
    with pytest.raises(NotReady):
        cutover(pair.move)
    write(pair)
    with Backfill(pair.move) as backfill:
        backfill.run(seconds=30)
    write(pair)
    assert scrub(pair.move).count == 0
    assert all(one.equal for one in compare(pair.move))
    cutover(pair.move)
    assert pair.same()
    rollback(pair.move)


def test_a_row_written_while_capture_was_away_is_not_missed(pair: Pair) -> None:
    """Sums are of what was captured: they would call both sides equal, and the row be lost."""
    pair.ready()
    with connect(pair.move.source, purpose="test") as source:
        remove(source, pair.move.source)
    write(pair)
    assert heal(pair.move).now is State.HALF_INSTALLED
    with pytest.raises(NotInstalled):
        preflight(pair.move)
    install(pair.move)
    moved_whole(pair)


def test_uninstalling_killed_at_any_point_loses_no_write(pair: Pair) -> None:
    """Whoever then installs again begins the copy again, whatever was left on either side."""
    pair.ready()
    with running(pair.move, "serve") as process:
        nursery = Nursery(process)
        for point, state in UNINSTALL.items():
            assert nursery.run("uninstall", point)[0] == EXIT_CODE, point
            assert heal(pair.move).now is state, point
            write(pair)
            with pytest.raises(ProtocolError):
                cutover(pair.move)
            install(pair.move)
            moved_whole(pair)


def test_installing_killed_at_any_point_loses_no_write(pair: Pair) -> None:
    """Over what an earlier one has left and copied."""
    pair.ready()
    with running(pair.move, "serve") as process:
        nursery = Nursery(process)
        for point, state in INSTALL.items():
            with connect(pair.move.source, purpose="test") as source:
                remove(source, pair.move.source)
            write(pair)
            assert nursery.run("install", point)[0] == EXIT_CODE, point
            assert heal(pair.move).now is state, point
            write(pair)
            if state is not State.MONOLITH:
                with pytest.raises(ProtocolError):
                    cutover(pair.move)
            install(pair.move)
            moved_whole(pair)


@pytest.mark.parametrize("point", ["install.attached:2", "install.service"])
def test_the_first_installation_killed_loses_no_write(pair: Pair, point: str) -> None:
    """From nothing: half of it is finished by the next one."""
    with running(pair.move, "serve") as process:
        assert Nursery(process).run("install", point)[0] == EXIT_CODE
    write(pair)
    assert heal(pair.move).now is State.HALF_INSTALLED
    install(pair.move)
    moved_whole(pair)


def test_uninstalling_goes_on_after_a_kill_at_any_point(pair: Pair) -> None:
    """Of itself, and of an installation: nothing of either is left."""
    with running(pair.move, "serve") as process:
        nursery = Nursery(process)
        for point in (*UNINSTALL, *INSTALL):
            verb = point.partition(".")[0]
            if verb == "uninstall":
                install(pair.move)
            assert nursery.run(verb, point)[0] == EXIT_CODE, point
            uninstall(pair.move)
            assert heal(pair.move).now is State.NOT_INSTALLED
            assert pair.source.execute(TRIGGERS).fetchone() == (0,)
            assert pair.target.execute(TRIGGERS).fetchone() == (0,)

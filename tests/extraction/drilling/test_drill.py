"""A drill on a copy of payment: real databases, real processes, and the live module untouched."""

from __future__ import annotations

import json
import os
from typing import Any

import psycopg
import pytest
from django.db import connections
from psycopg import sql

from modules.extraction.drilling import room
from modules.extraction.drilling.drill import drill
from modules.extraction.drilling.faults import FAULTS, Fault, How, Who
from modules.extraction.drilling.reports import Drilled, Tried, pauses
from modules.extraction.drilling.scratch import PREFIX, scratch
from modules.extraction.models import Capability, Step
from modules.extraction.protocol.crashpoints import POINTS
from modules.extraction.steps import Ask
from modules.platform.console import Exit
from modules.platform.databases.roles import login
from tests.extraction.commands import leftovers, monolith_rows, pay, strangler

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("place"),
    pytest.mark.timeout(300),
]

SOME = (
    Fault(verb="cutover", point="cutover.drained", how=How.KILLED),
    Fault(verb="rollback", point="rollback.committed", how=How.STOPPED),
    Fault(verb="cutover", point="cutover.drained", how=How.CUT_OFF),
)
# All of them take a minute: `make drill`, which CI runs beside the suite.
CHOSEN = FAULTS if os.environ.get("DRILL_ALL_FAULTS") == "true" else SOME


def scratch_databases() -> list[str]:
    with login("payment") as connection:
        query = "SELECT datname FROM pg_database WHERE datname LIKE %s"
        return [row[0] for row in connection.execute(query, [f"{PREFIX}payment%"]).fetchall()]


def rows() -> list[tuple[Any, ...]]:
    return monolith_rows("SELECT p::text FROM payment_payment p ORDER BY 1")


@pytest.mark.processes
def test_drill_swaps_and_breaks_a_copy_and_loses_nothing() -> None:
    """Killed, stopped and cut-off controllers; the live module and its record are as before,
    and nothing of the drill is left. Bounds of time are the machine's: they are reported.
    """
    pay(20)
    before = rows()
    found = drill(Ask(module="payment", reason="a test"), rounds=1, writes=100, faults=CHOSEN)
    assert isinstance(found, Drilled)
    assert found.wrong == ()
    assert found.writes > 50
    assert found.swaps >= 2
    assert (found.clean.count, found.rows >= 20) == (found.swaps, True)
    assert "payment_payment" in found.churned
    _all_healed(found)
    assert found.exit_code is (Exit.DIFFERENCES if found.missed else Exit.DONE)
    assert (rows(), leftovers(), scratch_databases()) == (before, [], [])
    assert not Capability.objects.exists()
    assert Step.objects.get().verb == "drill"


def _all_healed(found: Drilled) -> None:
    for fault, tried in zip(CHOSEN, found.faults, strict=True):
        assert (tried.fault, tried.wrong) == (fault.name, "")
        # Where nothing waits, a controller has nothing to apply.
        assert tried.reached or fault.point.startswith("apply."), fault.name
        assert not tried.reached or tried.healed in ("monolith", "service"), fault.name
        if fault == SOME[2]:  # else the watch may have been faster than the look
            assert tried.state == "cutting over"


def test_every_crash_point_of_a_swap_is_in_the_table() -> None:
    """Killed and stopped, there and back; those of copy and installing belong to no swap."""
    wanted = {point for point in POINTS if point.startswith(("apply.", "cutover.", "rollback."))}
    for how in (How.KILLED, How.STOPPED):
        there = {one.point for one in FAULTS if one.how is how and one.who is Who.CONTROLLER}
        assert there == wanted
    assert "heal.burnt" in {one.point for one in FAULTS}
    assert len({one.name for one in FAULTS}) == len(FAULTS)


def test_a_missed_bound_is_said() -> None:
    """By name, with both figures; exit code 3, as for a lost write."""
    late = Tried(
        fault="cutover: controller killed at cutover.fenced",
        how=How.KILLED,
        reached=True,
        state="fence left behind",
        healed="monolith",
        pause_ms=151.0,
        bound_ms=150.0,
        wrong="",
    )
    none = pauses([1.0])
    assert none is not None
    found = Drilled(
        module="payment",
        rounds=1,
        swaps=2,
        rows=1,
        writes=1,
        writes_per_second=1.0,
        churned=(),
        seconds=1.0,
        clean=none,
        own=none,
        killed=none,
        stopped=None,
        faults=(late,),
        wrong=(),
    )
    assert found.missed == (f"{late.fault}: 151 ms, bound 150 ms",)
    assert found.exit_code is Exit.DIFFERENCES


def test_refused_in_one_line_without_permission_or_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made: a login that may make no databases, and a disk that is too small."""
    with login("payment") as connection:
        connection.execute("CREATE ROLE ficus_test_drill LOGIN")
        guest = psycopg.conninfo.make_conninfo(
            connection.info.dsn, user="ficus_test_drill", dbname=connection.info.dbname
        )
    try:
        assert "may not make databases" in room.lacking(guest)
    finally:
        with login("payment") as connection:
            connection.execute("DROP ROLE ficus_test_drill")
    monkeypatch.setattr(room, "LEAST", 1 << 60)
    code, out, err = strangler("drill", "payment", "--no-kills")
    assert (code, out) == (1, "")
    [line] = err.strip().splitlines()
    assert "on the server's disk" in line
    assert scratch_databases() == []


def test_wrong_numbers_are_usage() -> None:
    """Exit code 2; a dry run changes nothing and says how much it would be."""
    assert strangler("drill", "payment", "--rounds", "0")[0] == 2
    assert strangler("drill", "payment", "--writes", "1e9")[0] == 2
    code, out, _ = strangler("drill", "payment", "--rounds", "3", "--dry-run", "--json")
    said = json.loads(out)
    assert (code, said["rounds"], said["faults"]) == (0, 3, len(FAULTS))


def test_what_a_dead_drill_has_left_the_next_one_removes() -> None:
    """Nobody is connected to it; those of a drill that lives stay."""
    with login("payment") as connection:
        left = f"{PREFIX}payment_00000000_source"
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(left)))
        server = connection.info.dsn
    server = psycopg.conninfo.make_conninfo(
        server, dbname=connections["payment"].settings_dict["NAME"]
    )
    with scratch(server, "payment"):
        names = scratch_databases()
        assert len(names) == 2
        assert left not in names
        with scratch(server, "payment"):
            assert len(scratch_databases()) == 4
    assert scratch_databases() == []

"""Epochs only grow, from one extraction of a module to the next: each change is news to all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from modules.extraction import epochs, protocol, standings
from modules.extraction.models import Capability
from modules.extraction.moves import move_of
from modules.extraction.protocol import Backfill, Diverged, NotDrained, SwapRefused, ownership
from modules.extraction.routing.doors import front_doors
from modules.extraction.routing.watching import Authorities
from tests.extraction.commands import asked, done, own_instance, pay, strangler, told
from tests.proxy.front import FrontDoor

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(300),
]


def at_the_door() -> tuple[str, int]:
    with front_doors() as (door,):
        found: dict[str, Any] = door.capability("payment")
    return found["phase"], found["epoch"]


def filled() -> None:
    done("create")
    done("backfill")
    done("verify")


def test_two_extractions_of_one_module(door: FrontDoor) -> None:
    """By the command, in the same processes: front door, receipts and calls follow the second as
    they followed the first.
    """
    known = Authorities()
    pay(3)
    own_instance(door)
    seen = [0]
    try:
        for _time in range(2):
            filled()
            for verb, phase, whose in (
                ("cutover", "extracted", "service"),
                ("rollback", "monolith", "monolith"),
            ):
                epoch = done(verb)["after"]["epoch"]
                assert epoch > seen[-1]
                seen.append(epoch)
                assert at_the_door() == (phase, epoch)
                assert asked(door) == whose
                assert known.wait(10)
                _heard(known, epoch, is_services=whose == "service")
            _fences_that_come_to_nothing()
            done("cancel")
            assert at_the_door()[1] == seen[-1]
            # Fences are epochs, too, and the databases have forgotten them.
            assert standings.standing_of("payment").epoch == seen[-1] + 4
            seen.append(seen[-1] + 4)
    finally:
        known.close()
    code, found = told("log", "payment", "--receipts")
    assert (code, [one["wrong"] for one in found["receipts"]]) == (0, [""] * 4)
    assert [one["epoch"] for one in found["receipts"]] == [1, 2, 7, 8]


def _heard(known: Authorities, epoch: int, *, is_services: bool) -> None:
    until_known = 200
    while known.of("payment").epoch < epoch and until_known:
        known.wait(0.05)
        until_known -= 1
    found = known.of("payment")
    assert (found.epoch, found.is_services) == (epoch, is_services)


def _fences_that_come_to_nothing() -> None:
    for _time in range(2):
        # The last: where nothing is copied yet.
        with pytest.raises((SwapRefused, NotDrained, Diverged)):
            protocol.cutover(move_of("payment"), ttl=timedelta(0), checked=False)


def test_a_record_that_is_behind(door: FrontDoor) -> None:
    """Restored from a backup, or lost: the databases know, and the front door."""
    done("create")
    _fences_that_come_to_nothing()
    assert standings.standing_of("payment").epoch == 0
    done("cancel")
    assert standings.standing_of("payment").epoch == 4
    Capability.objects.all().delete()
    with front_doors() as (one,):
        one.give("payment", 9, to_service=False)
    assert epochs.highest("payment") == 9
    done("create")
    move = move_of("payment")
    assert (ownership(move.source).epoch, ownership(move.target).epoch) == (9, 9)
    with Backfill(move) as backfill:
        backfill.run(seconds=30)
    assert protocol.cutover(move, checked=False).epoch == 10
    _record_says_monolith()
    done("rollback")
    assert at_the_door() == ("monolith", 11)
    assert strangler("log", "payment", "--receipts")[0] == 0


def _record_says_monolith() -> None:
    """And the databases that the service has it: nothing is removed, it is written down."""
    Capability.objects.all().delete()
    assert done("doctor")["cured"]
    standing = standings.standing_of("payment")
    assert (standing.phase, standing.epoch) == ("extracted", 10)
    assert at_the_door() == ("extracted", 10)

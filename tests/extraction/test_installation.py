"""``create`` and ``cancel`` killed half way: finished or undone, and no write is ever missed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import connections
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from modules.extraction import creating, targets
from modules.extraction.mending import mend
from modules.extraction.models import Capability, Step
from modules.extraction.moves import move_of
from modules.extraction.protocol.crashpoints import EXIT_CODE
from modules.extraction.protocol.sides import connect
from modules.extraction.protocol.uninstalling import remove, withdraw
from modules.platform.discovery import Role, registry
from tests.extraction.commands import (
    done,
    leftovers,
    monolith_rows,
    pay,
    service_rows,
    strangler,
    told,
)
from tests.platform.discovery.serving import said

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(300),
]

COUNT = "SELECT count(*) FROM payment_payment"
TRIGGERS = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'ficus%'"
KILLED = """
import os
from pathlib import Path

import django
django.setup()
from django.conf import settings

from modules.extraction import creating
from modules.extraction.steps import Ask

settings.FICUS_HOME, settings.PLACEMENT_FRONT_DOORS = Path(os.environ["TEST_HOME"]), []
getattr(creating, os.environ["TEST_VERB"])(Ask(module="payment", reason="a test"))
"""


def killed(home: Path, verb: str, point: str) -> None:
    """The verb in a process of its own, which ends there."""
    with connections["payment"].cursor() as cursor:
        cursor.execute("SELECT current_database()")
        name = cursor.fetchone()[0]
    parts = conninfo_to_dict(os.environ["DATABASE_URL"])
    environment = {
        **os.environ,
        "DATABASE_URL": make_conninfo(**{**parts, "dbname": name}),
        "DJANGO_SETTINGS_MODULE": "shop.settings.test",
        "TEST_HOME": str(home),
        "TEST_VERB": verb,
        "FICUS_MOVE_CRASH_AT": point,
    }
    command = [sys.executable, "-c", KILLED]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert ended.returncode == EXIT_CODE, ended.stderr.decode()


def faults() -> list[str]:
    return [one["fact"] for one in told("doctor", "payment", "--dry-run")[1]["faults"]]


def nothing_is_left() -> None:
    assert (leftovers(), targets.known("payment"), faults()) == ([], None, [])
    row = Capability.objects.get(module="payment")
    assert (row.phase, row.place) == ("monolith", "")


def test_killed_half_way(place: None, tmp_path: Path) -> None:
    """A create is undone, a cancel goes on, whoever mends; payments go on meanwhile."""
    pay(3)
    killed(tmp_path, "create", "install.monolith")
    pay(1)
    assert any("no step says so" in fact for fact in faults())
    done("doctor")
    assert (leftovers(), targets.known("payment"), faults()) == ([], None, [])
    done("create")
    done("backfill")
    killed(tmp_path, "cancel", "uninstall.removed:3")
    pay(1)
    assert "half installed; cancel has not come to its end" in faults()[0]
    mend("payment")  # as a watch does
    nothing_is_left()
    killed_step = Step.objects.filter(verb="cancel").latest("id")
    assert killed_step.ended_at is not None
    assert monolith_rows(COUNT) == [(5,)]


def test_away_or_gone_by_hand(place: None) -> None:
    """What cannot be reached keeps all in its place; what is installed again begins anew."""
    pay(3)
    done("create")
    target = targets.known("payment")
    assert target is not None
    done("backfill")
    _nothing_goes_while_the_service_is_away(target)
    done("verify")
    _by_hand_and_installed_again()
    done("backfill")
    done("verify")
    done("cutover")
    assert service_rows(COUNT) == [(6,)]
    done("rollback")
    _a_database_that_was_dropped(target)
    _killed_behind_everything_but_the_record()


def _nothing_goes_while_the_service_is_away(target: targets.Target) -> None:
    """Its server is down: no trigger is taken off, and what is written is captured."""
    before = monolith_rows(TRIGGERS)
    admin = make_conninfo(target.admin_url, host="127.0.0.1", port=1)
    away = targets.Target(url=target.url, admin_url=admin, is_ours=target.is_ours)
    targets.keep("payment", away)
    code, _, err = strangler("cancel", "payment", "--reason", "a test", "--yes")
    assert (code, "does not answer" in err) == (1, True), err
    with pytest.raises(psycopg.OperationalError):
        creating.undo("payment", away)
    assert targets.known("payment") == away
    targets.keep("payment", target)
    assert monolith_rows(TRIGGERS) == before
    pay(1)
    assert faults() == []


def _by_hand_and_installed_again() -> None:
    """No cutover before all is copied and looked at again."""
    move = move_of("payment")
    with connect(move.source, purpose="test") as source:
        remove(source, move.source)
    pay(1)
    assert faults() == ["the databases say: half installed"]
    assert done("doctor")["cured"]
    pay(1)
    url = "http://127.0.0.1:9"  # nobody is asked anything there
    registry.register("payment-9", said(role=Role.OWN, url=url), issuer="payment", ttl=600)
    code, report = told("cutover", "payment", "--reason", "too early", "--yes")
    assert code == 1
    failed = {one["name"] for one in report["guards"] if not one["passes"]}
    assert failed == {"first copy", "scrub"}


def _a_database_that_was_dropped(target: targets.Target) -> None:
    """It does not come back: cancel takes the monolith's part out."""
    targets.remove("payment", target)
    assert faults() == ["the databases say: half installed"]
    done("cancel")
    nothing_is_left()


def _killed_behind_everything_but_the_record() -> None:
    """Nothing is there any more, and the record says shadow: it is written down."""
    done("create")
    target = targets.known("payment")
    assert target is not None
    withdraw(move_of("payment"))
    targets.remove("payment", target)
    Step.objects.create(module="payment", verb="cancel", actor="somebody", reason="killed")
    assert "not installed; cancel has not come to its end" in faults()[0]
    done("doctor")
    nothing_is_left()

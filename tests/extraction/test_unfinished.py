"""Swaps that are committed and not finished: said to be done, held for the new side, finished.

Two real databases and a real front door; what is lost is lost at the commit point or after it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from modules.extraction import targets
from modules.extraction.models import Receipt, Step
from modules.extraction.owed import settle
from modules.extraction.protocol import crashpoints, cutting_over, rolling_back
from modules.extraction.targets import source_url
from modules.platform.databases.roles import login
from modules.platform.discovery import Role, registry
from modules.platform.placement.placing import place
from modules.platform.placement.table import placements
from tests.extraction.commands import asked, done, own_instance, pay, service_rows, strangler, told
from tests.extraction.test_keeping import Watching
from tests.platform.discovery.serving import said
from tests.proxy.front import FrontDoor
from tests.waiting import eventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(300),
]

ROOT = Path(__file__).parents[2]
AWAY = "http://127.0.0.1:9"
SWAP = ("--reason", "INC-42: on its own", "--yes")
TAKE = "UPDATE payment_payment SET email = 'from the service' RETURNING 1"
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


@pytest.fixture
def moving(door: FrontDoor) -> FrontDoor:
    """payment with rows on both sides, and instances of either role."""
    pay(3)
    done("create")
    done("backfill")
    own_instance(door)
    url = f"http://{door.service_address}"  # type: ignore[attr-defined]
    registry.register("payment-1", said(role=Role.ORIGIN, url=url), issuer="payment", ttl=600)
    done("verify")
    return door


def test_committed_and_not_finished(moving: FrontDoor, monkeypatch: Any, settings: Any) -> None:
    """One extraction, in which each swap loses something after its commit point."""
    _not_granted(moving, monkeypatch)
    _answer_lost(moving, monkeypatch)
    _killed(moving, settings)
    _door_was_away(moving, settings)
    code, found = told("log", "payment", "--receipts")
    assert code == 0
    assert [one["kind"] for one in found["receipts"]] == ["cutover", "rollback"] * 2
    done("cancel")


def _not_granted(door: FrontDoor, monkeypatch: Any) -> None:
    """The service's database is lost before it is told: done, exit code 3; what goes on is held."""
    monkeypatch.setattr(cutting_over, "GRANT_SECONDS", 0.2)
    place("payment", percent=30, reason="by hand")
    with lost_at("cutover.committed", monkeypatch):
        code, report = told("cutover", "payment", *SWAP)
        assert (code, report["after"]["phase"]) == (3, "extracted")
        assert "its new side is away" in report["unfinished"]
        assert "doctor payment" in report["next_step"]
        assert told("status", "payment")[1]["modules"][0]["databases"] == "away"
        assert capability(door)["held"] is True
        assert capability(door)["service"] == "payment-own"
        assert asked(door, "GET") == "monolith"  # reads flow: its copy is whole
        assert placements()["payment"].percent == 0  # the share would be of nobody's data
        [step] = Step.objects.filter(verb="cutover")
        assert (step.outcome, step.ended_at) == ("", None)
        assert not Receipt.objects.exists()
    with Watching():
        eventually(lambda: not Step.objects.filter(ended_at=None).exists())
    assert asked(door) == "service"
    assert service_rows(TAKE)
    _rolled_forward("cutover", epoch=report["after"]["epoch"])
    assert told("doctor", "payment", "--dry-run")[1]["faults"] == []


def _rolled_forward(verb: str, *, epoch: int) -> None:
    """The step is done, and the receipt names who began it; once."""
    step = Step.objects.filter(verb=verb).latest("id")
    receipt = Receipt.objects.latest("id")
    assert (step.outcome, step.facts["receipt"]) == ("done", receipt.pk)
    assert step.detail.startswith("rolled forward by ")
    assert (receipt.kind, receipt.epoch, receipt.step) == (verb, epoch, step)
    assert receipt.body["reason"] == "INC-42: on its own"
    assert all(one["equal"] for one in receipt.body["digests"])
    assert set(receipt.body["positions"]) == {"forward", "reverse"}
    assert receipt.body["fence_ms"] == "unknown"
    assert isinstance(receipt.body["pause_ms"], float)  # both databases are of one server
    assert receipt.body["committed_at"] > step.started_at.isoformat()[:10]
    settle("payment")
    assert Receipt.objects.filter(kind=verb, epoch=epoch).count() == 1


def _answer_lost(door: FrontDoor, monkeypatch: Any) -> None:
    """The monolith has it again, and the controller is not told so: it asks before it says no."""
    takes = rolling_back._Rollback._decide

    def lost(self: Any, *args: Any, **more: Any) -> Any:
        takes(self, *args, **more)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(rolling_back._Rollback, "_decide", lost)
        code, text, err = strangler("rollback", "payment", *SWAP)
    assert (code, err) == (3, "")
    assert "payment: extracted -> shadow" in text
    assert "Not finished: server closed the connection" in text
    assert asked(door) == "monolith"
    pay(1)
    code, found = told("doctor", "payment", "--reason", "a test")
    assert (code, found["cured"]) == (0, True)
    _rolled_forward("rollback", epoch=Receipt.objects.latest("id").epoch)


def _killed(door: FrontDoor, settings: Any) -> None:
    """No watch, and one of two front doors is away: all but that one is put right, and named."""
    done("verify")
    _killed_cutover(door)
    settings.PLACEMENT_FRONT_DOORS = [AWAY, door.admin_url]
    code, found = told("doctor", "payment", "--dry-run")
    facts = " / ".join(one["fact"] for one in found["faults"])
    assert (code, found["left"]) == (3, [])
    for fact in ("has no receipt", f"{AWAY} is away", "has payment as monolith", "never ended"):
        assert fact in facts
    code, text, _ = strangler("doctor", "payment", "--reason", "it was killed")
    assert code == 3
    assert "it cannot be told; say it again when it is back" in text
    assert asked(door) == "service"
    _rolled_forward("cutover", epoch=Receipt.objects.latest("id").epoch)
    assert Step.objects.filter(verb="doctor").latest("id").outcome == "differences"
    code, found = told("doctor", "payment", "--reason", "once more")
    assert (code, len(found["left"]), found["cured"]) == (3, 1, False)
    settings.PLACEMENT_FRONT_DOORS = [door.admin_url]
    assert told("doctor", "payment", "--dry-run")[0] == 0
    _may_retire()


def _killed_cutover(door: FrontDoor) -> None:
    """A process of its own, killed right after the commit point."""
    environment = os.environ | {
        "DATABASE_URL": make_conninfo(source_url("payment"), options=""),
        "FICUS_HOME": str(targets.address_file("payment").parents[1]),
        "PROXY_ADMIN_PORT": door.admin_url.rpartition(":")[2],
        "FICUS_MOVE_CRASH_AT": "cutover.committed",
    }
    ended = subprocess.run(
        [sys.executable, "manage.py", "strangler", "cutover", "payment", *SWAP],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == crashpoints.EXIT_CODE, ended.stderr


def _may_retire() -> None:
    """The guards that go by the receipt go by this one's."""
    done("verify")
    _, report = told("retire", "payment", "--after", "0", "--dry-run")
    failed = [one["name"] for one in report["guards"] if not one["passes"]]
    assert {"scrub", "extracted for"}.isdisjoint(failed), report["guards"]


def _door_was_away(door: FrontDoor, settings: Any) -> None:
    """It missed a rollback, and the step has ended: whoever watches tells it when it is back."""
    settings.PLACEMENT_FRONT_DOORS = []
    done("rollback")
    assert capability(door)["phase"] == "extracted"
    settings.PLACEMENT_FRONT_DOORS = [door.admin_url]
    with Watching():
        eventually(lambda: capability(door)["phase"] == "monolith")
    assert asked(door) == "monolith"


def capability(door: FrontDoor) -> dict[str, Any]:
    found: dict[str, Any] = door.admin("GET", "/-/table").json()["capabilities"]["payment"]
    return found


@contextmanager
def lost_at(point: str, monkeypatch: Any) -> Iterator[None]:
    """From that point of the protocol on nobody can connect to the service's database."""
    name = targets.name_of("payment")

    def reached(at: str) -> None:
        if at == point:
            with login("payment") as connection:
                _allow(connection, name, "false")
                connection.execute(END, [name])

    try:
        with monkeypatch.context() as patch:
            patch.setattr(crashpoints, "_observer", reached)
            yield
    finally:
        with login("payment") as connection:
            _allow(connection, name, "true")


def _allow(connection: psycopg.Connection[Any], name: str, whether: str) -> None:
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    connection.execute(allow.format(sql.Identifier(name), sql.SQL(whether)))

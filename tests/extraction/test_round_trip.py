"""payment moved out and back by the command itself: two real databases, its real tables."""

from __future__ import annotations

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from modules.extraction import targets
from modules.extraction.models import Capability, Receipt, Step
from modules.payment.models import Payment
from modules.platform.contracts import Moved
from modules.platform.databases.roles import login
from modules.platform.discovery import Role, registry
from modules.platform.placement.placing import place
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
from tests.platform.discovery.serving import said
from tests.proxy.front import FrontDoor

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(300),
]

COUNT = "SELECT count(*) FROM payment_payment"
TAKE = "UPDATE payment_payment SET email = 'from the service' RETURNING 1"


def standing() -> tuple[str, str, int, int]:
    row = Capability.objects.get(module="payment")
    return row.phase, row.direction, row.percent, row.epoch


def test_there_and_back_again(door: FrontDoor) -> None:
    """create, backfill, verify, cutover, rollback, cancel: each does what it says, on record."""
    pay(20)
    assert done("create")["after"]["phase"] == "shadow"
    assert standing() == ("shadow", "to_service", 0, 0)
    pay(5)  # captured, not yet carried
    assert "25 rows" in done("backfill")["did"][0]
    assert service_rows(COUNT) == [(25,)]
    with pytest.raises(psycopg.Error, match="belongs to the monolith"):
        service_rows(TAKE)
    _differences_are_found()
    _structure_stands_still()
    _cutover_is_guarded()
    own_instance(door)
    assert asked(door) == "monolith"
    epoch = _cut_over(door)
    assert asked(door) == asked(door, "GET") == "service"
    _rolled_back(epoch)
    assert asked(door) == "monolith"
    _cancelled()
    _on_record()


def _differences_are_found() -> None:
    """A row written around the triggers: exit code 3, and no cutover until it is mended."""
    target = targets.known("payment")
    assert target is not None
    with psycopg.connect(target.admin_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SELECT set_config('ficus.applier', 'payment', false)")
        spoil = "UPDATE payment.payment_payment SET amount = amount + %s"
        connection.execute(spoil, [1])
        code, found = told("verify", "payment")
        assert (code, found["rows_differ"]) == (3, 25)
        assert {one["kind"] for one in found["samples"]} == {"changed"}
        code, text, _ = strangler("cutover", "payment", "--dry-run")
        assert code == 1
        assert "refused" in text
        connection.execute(spoil, [-1])
    assert done("verify")["rows_differ"] == 0


def _structure_stands_still() -> None:
    """What is migrated already is no obstacle; anything new waits until the module has moved."""
    call_command("migrate", database="payment", verbosity=0)
    monolith_rows("DELETE FROM django_migrations WHERE name = '0003_subject' RETURNING 1")
    try:
        with pytest.raises(CommandError, match=r"payment is being moved.*rest\.0003_subject"):
            call_command("migrate", database="payment", verbosity=0)
        code, report = told("cutover", "payment", "--dry-run")
        assert code == 1
        [wrong] = [one for one in report["guards"] if one["name"] == "migrations"]
        assert wrong["have"] == "rest.0003_subject only in the service"
    finally:
        monolith_rows(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('rest', '0003_subject', now()) RETURNING 1"
        )


def _cutover_is_guarded() -> None:
    """Nobody there to answer: the table of guards, exit code 1, nothing changed."""
    code, report = told("cutover", "payment", "--reason", "too early", "--yes")
    assert code == 1
    failed = [one["name"] for one in report["guards"] if not one["passes"]]
    assert failed == ["instances with their own database"]
    assert standing() == ("shadow", "to_service", 0, 0)
    pay(1)


def _partitions_are_made_of_late() -> None:
    """Since the last look of a watch: a dry run says so, the cutover then makes them."""
    make_partitions()
    code, report = told("cutover", "payment", "--dry-run")
    [found] = [one for one in report["guards"] if one["name"] == "structure"]
    assert code == 0
    assert found["have"] == "equal but for partitions, which are made first"


RUNNING = """
INSERT INTO idempotency_record (digest, request_hash, started_at, headers)
VALUES ('\\x01', '\\x02', now(), '{}') RETURNING 1
"""
FREE = "SELECT started_at < '1971-01-01' FROM idempotency_record"


def _cut_over(door: FrontDoor) -> int:
    # A request has claimed its key, and is then refused by the fence: sent again on the other
    # side it must not be told that it still runs.
    assert monolith_rows(RUNNING) == [(1,)]
    code, looked = told("cutover", "payment", "--dry-run")
    assert (code, looked["did"]) == (0, [])
    # Placed by hand and not by `canary`: those instances would work on nobody's data.
    url = f"http://{door.service_address}"  # type: ignore[attr-defined]
    registry.register("payment-1", said(role=Role.ORIGIN, url=url), issuer="payment", ttl=600)
    place("payment", percent=30, reason="by hand")
    _partitions_are_made_of_late()
    report = done("cutover")
    assert report["did"][0] == "placed 30 -> 0 % of the work"
    epoch = report["after"]["epoch"]
    assert standing() == ("extracted", "to_monolith", 100, epoch)
    with pytest.raises(Moved) as refused:
        pay(1)
    assert (refused.value.module, refused.value.epoch) == ("payment", epoch)
    shown = told("status", "payment")[1]["modules"][0]
    # One change waits to be carried back: the key that was freed.
    assert (shown["databases"], shown["lag"]) == ("service", 1)
    assert shown["possible"] == ["rollback", "retire"]
    assert service_rows(FREE) == [(True,)]
    assert len(service_rows(TAKE)) == 26
    return int(epoch)


def _rolled_back(epoch: int) -> None:
    """With all that was written there, and open here again."""
    report = done("rollback")
    assert report["after"]["epoch"] > epoch
    assert standing()[:3] == ("shadow", "to_service", 0)
    assert set(Payment.objects.values_list("email", flat=True)) == {"from the service"}
    pay(1)
    with pytest.raises(psycopg.Error, match="belongs to the monolith"):
        service_rows(TAKE)


def _cancelled() -> None:
    """Nothing is left: no trigger, no database, no role, no file."""
    target = targets.known("payment")
    done("cancel")
    assert standing()[:2] == ("monolith", "nowhere")
    assert leftovers() == []
    assert target is not None
    assert not targets.is_there(target)
    assert not targets.address_file("payment").exists()
    with login("payment") as connection:
        name = [targets.name_of("payment")]
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", name)
        assert found.fetchone() is None
    assert monolith_rows(COUNT) == [(27,)]


def _on_record() -> None:
    """Each step with who, why and how it ended; the receipts hold, and tell when they do not."""
    steps = list(Step.objects.order_by("id").values_list("verb", "outcome", "reason"))
    assert [verb for verb, _, _ in steps] == [
        *("create", "backfill", "verify", "verify", "cutover", "rollback", "cancel")
    ]
    assert [outcome for _, outcome, _ in steps].count("done") == 6
    assert ("verify", "differences", "verify") in steps
    assert all(step.actor and step.ended_at for step in Step.objects.all())
    code, found = told("log", "payment", "--receipts")
    assert code == 0
    assert [(one["kind"], one["wrong"]) for one in found["receipts"]] == [
        ("cutover", ""),
        ("rollback", ""),
    ]
    receipt = Receipt.objects.earliest("id")
    assert {"positions", "digests", "pause_ms", "marker"} <= set(receipt.body)
    _tampering_is_seen()


def _tampering_is_seen() -> None:
    with connections["extraction"].cursor() as cursor:
        for statement in (
            "UPDATE extraction_receipt SET epoch = 9",
            "DELETE FROM extraction_step",
            "UPDATE extraction_step SET reason = 'another'",
        ):
            with pytest.raises(Exception, match="stays on record"):
                cursor.execute(statement)
        cursor.execute("ALTER TABLE extraction_receipt DISABLE TRIGGER extraction_receipt_kept")
        cursor.execute(
            "UPDATE extraction_receipt SET body = jsonb_set(body, '{pause_ms}', '0.1') "
            "WHERE kind = 'cutover'"
        )
        code, found = told("log", "--receipts")
        assert code == 3
        assert "not those that were signed" in found["receipts"][0]["wrong"]
        cursor.execute("DELETE FROM extraction_receipt WHERE kind = 'cutover'")
        code, found = told("log", "--receipts")
        assert (code, len(found["receipts"])) == (3, 1)
        assert "missing" in found["receipts"][0]["wrong"]
        cursor.execute("ALTER TABLE extraction_receipt ENABLE TRIGGER extraction_receipt_kept")

"""What ``strangler`` refuses: one clear line or the table of guards, and nothing has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections

from modules.extraction import standings, targets
from modules.extraction.controlling import _let_go, _sign, _taken, controlling, holder
from modules.extraction.errors import ControllerBusy
from modules.extraction.models import Capability, Step
from modules.extraction.phases import Phase, Standing
from modules.platform.databases.roles import login
from modules.platform.discovery import Role, registry
from tests.extraction.commands import leftovers, strangler, told
from tests.platform.discovery.serving import said

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("place")]

CHANGING = ("create", "cancel", "backfill", "cutover", "rollback", "pause", "resume")
REASON = ("--reason", "a test", "--yes")


def stands(phase: Phase, **more: Any) -> None:
    standings.put("payment", Standing(phase=phase, **more), reason="planted")


@contextmanager
def unchanged() -> Iterator[None]:
    """Neither a step on record nor another standing nor anything in a database."""
    before = list(Capability.objects.values_list("module", "phase", "percent", "epoch"))
    steps = Step.objects.count()
    yield
    assert list(Capability.objects.values_list("module", "phase", "percent", "epoch")) == before
    assert Step.objects.count() == steps
    assert leftovers() == []
    assert not targets.address_file("payment").exists()


@pytest.mark.parametrize("verb", CHANGING)
def test_unknown_module(verb: str) -> None:
    """Exit code 2, and what there is instead."""
    with unchanged():
        code, out, err = strangler(verb, "paymnet", *REASON)
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "strangler: There is no module paymnet here; may be moved: inventory, payment, shipping, "
        "notification."
    ]


@pytest.mark.parametrize("verb", CHANGING)
def test_module_that_stays(verb: str) -> None:
    """It is a module, and says of itself that it does not move: exit code 1."""
    with unchanged():
        code, out, err = strangler(verb, "orders", *REASON)
    assert (code, out) == (1, "")
    assert "orders stays in this host" in err


@pytest.mark.parametrize("verb", CHANGING)
def test_missing_reason(verb: str) -> None:
    """Exit code 2; a dry run needs none."""
    with unchanged():
        code, out, err = strangler(verb, "payment", "--yes")
    assert (code, out) == (2, "")
    assert "Say why with --reason" in err


@pytest.mark.parametrize(
    ("phase", "verb", "possible"),
    [
        (Phase.MONOLITH, "cutover", "create"),
        (Phase.MONOLITH, "rollback", "create"),
        (Phase.MONOLITH, "backfill", "create"),
        (Phase.MONOLITH, "cancel", "create"),
        (Phase.MONOLITH, "pause", "create"),
        (Phase.MONOLITH, "verify", "create"),
        (Phase.MONOLITH, "repair", "create"),
        (Phase.MONOLITH, "watch", "create"),
        (Phase.SHADOW, "create", "cancel, canary, cutover"),
        (Phase.SHADOW, "rollback", "cancel, canary, cutover"),
        (Phase.CANARY, "cancel", "canary, cutover, rollback"),
        (Phase.EXTRACTED, "cutover", "rollback, retire"),
        (Phase.EXTRACTED, "cancel", "rollback, retire"),
        (Phase.EXTRACTED, "backfill", "rollback, retire"),
        (Phase.RETIRED, "rollback", "nothing"),
    ],
)
def test_wrong_phase(phase: Phase, verb: str, possible: str) -> None:
    """One line: where it stands, and what is possible from there."""
    if phase is not Phase.MONOLITH:
        stands(phase)
    with unchanged():
        code, out, err = strangler(verb, "payment", *REASON)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert f"payment is in phase {phase}" in err
    assert f"possible now: {possible}." in err


@pytest.mark.parametrize("verb", ["create", "canary"])
def test_second_controller(verb: str) -> None:
    """It is told who is at it, with what and since when; another module is free."""
    share = ("--percent", "5") if verb == "canary" else ()
    with unchanged(), controlling("payment", "backfill"):
        code, out, err = strangler(verb, "payment", *REASON, *share)
        status = told("status", "payment")[1]["modules"][0]
        with controlling("shipping", "create"):
            pass
    assert (code, out) == (1, "")
    assert "is at payment with `backfill` since 20" in err
    assert status["busy"]["verb"] == "backfill"
    assert told("status", "payment")[1]["modules"][0]["busy"] is None


def test_a_doctor_is_waited_for() -> None:
    """A watch puts right what it finds, unasked: that is nobody's work to stand in the way of."""
    mending, over = threading.Event(), threading.Event()

    def mend() -> None:
        with controlling("payment", "doctor"):
            mending.set()
            over.wait(5)
        connections.close_all()

    doctor = threading.Thread(target=mend)
    doctor.start()
    assert mending.wait(5)
    with pytest.raises(ControllerBusy), controlling("payment", "doctor"):
        pass  # a second one has nothing to add
    threading.Timer(0.3, over.set).start()
    with controlling("payment", "create"):
        assert over.is_set()
    doctor.join(5)


def test_who_has_not_signed_yet_is_not_taken_for_who_was_there_before() -> None:
    """Between the lock and the name on it the row is still the last controller's, who is gone: a
    doctor's instant refuses nobody, and who looks sees the doctor.
    """
    with controlling("payment", "backfill"):
        pass
    with login("default") as doctor:
        assert _taken(doctor, "payment")

        def sign_and_go() -> None:
            time.sleep(0.2)
            _sign("payment", "doctor")
            signed.set()
            time.sleep(0.2)
            _let_go(doctor, "payment")
            connections.close_all()

        signed, thread = threading.Event(), threading.Thread(target=sign_and_go)
        thread.start()
        seen = holder("payment")
        assert (seen is not None and seen.verb, signed.is_set()) == ("doctor", True)
        with controlling("payment", "verify"):
            pass
        thread.join(5)
    assert holder("payment") is None


def test_controller_that_died_holds_nothing() -> None:
    """The lock is its session's: when that ends, the next one goes on; what was done is done."""
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks l JOIN pg_database d ON d.oid = database "
        "WHERE datname = current_database() AND locktype = 'advisory' "
        "AND objid = (hashtext('payment')::bigint & 4294967295)::oid"
    )
    with controlling("payment", "create"), login("default") as other:
        other.execute(kill)
        with controlling("payment", "cancel"):
            pass
    with controlling("payment", "create"):
        pass


def test_failed_guard_shows_the_table_and_changes_nothing() -> None:
    """Have, need and pass; exit code 1, for a dry run as well."""
    module = "shipping"  # it has no host
    with unchanged():
        for more in ((), ("--dry-run",)):
            code, text, err = strangler("create", module, *REASON, *more)
            assert (code, err) == (1, "")
            assert "shipping: create is refused (host); nothing changed." in text
            assert "host: see docs/extraction-runbook.md#host\n" in text
    code, report = told("create", module, *REASON)
    assert (code, report["did"]) == (1, [])
    see = "docs/extraction-runbook.md#host"
    host = {"name": "host", "have": "no", "need": "yes", "passes": False, "see": see}
    assert host in report["guards"]
    assert {one["see"] for one in report["guards"] if one["passes"]} == {""}


def test_dry_run_says_what_it_would_do() -> None:
    """And the next step; nothing is made."""
    with unchanged():
        code, report = told("create", "payment", "--dry-run")
    assert (code, report["did"], report["dry_run"]) == (0, [], True)
    assert report["after"]["phase"] == "shadow"
    assert any("extracted/payment" in line for line in report["would"])
    assert report["next_step"] == "the same without --dry-run"


def test_what_ends_something_asks_first() -> None:
    """With nobody at a terminal to answer it wants --yes; exit code 2."""
    stands(Phase.CANARY, percent=10)
    with unchanged():
        code, out, err = strangler("rollback", "payment", "--reason", "a test")
    assert (code, out) == (2, "")
    assert "say --yes" in err


def test_canary_by_hand_and_back() -> None:
    """A share by placement; more, less, and with rollback none. The standing says which."""
    registry.register("payment-1", said(role=Role.ORIGIN), issuer="payment")
    stands(Phase.SHADOW)
    for percent in (5, 50, 20):
        code, report = told("canary", "payment", *REASON, "--percent", str(percent))
        assert code == 0
        assert report["after"] == report["before"] | {"phase": "canary", "percent": percent}
    code, report = told("rollback", "payment", *REASON)
    assert (code, report["after"]["phase"], report["after"]["percent"]) == (0, "shadow", 0)
    code, _, err = strangler("canary", "payment", *REASON, "--percent", "101")
    assert code == 2
    assert "0 to 100" in err


def test_create_that_fails_leaves_nothing(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A database in which the given login may make nothing: one line with the host's last word,
    and the same in the log.
    """
    with login("payment") as connection:
        name = connection.info.dbname
        connection.execute("CREATE ROLE ficus_test_guest LOGIN")
        connection.execute(f"GRANT CONNECT ON DATABASE {name} TO ficus_test_guest")
        address = tmp_path / "address"
        address.write_text(
            f"host={connection.info.host} port={connection.info.port} dbname=postgres "
            f"user=ficus_test_guest\n"
        )
    try:
        code, out, err = strangler("create", "payment", *REASON, "--database", str(address))
    finally:
        with login("payment") as connection:
            connection.execute("DROP OWNED BY ficus_test_guest")
            connection.execute("DROP ROLE ficus_test_guest")
    assert (code, out) == (1, "")
    assert "could not migrate" in err.splitlines()[-1]
    assert leftovers() == []
    assert not targets.address_file("payment").exists()
    step = Step.objects.get()
    assert (step.verb, step.outcome) == ("create", "failed")
    [said_to_log] = [one for one in caplog.messages if "step_ended" in one]
    assert "could not migrate" in said_to_log
    assert not Capability.objects.exists()

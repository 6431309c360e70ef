"""``strangler run payment --auto``: from the monolith to its service, stopped and gone on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.extraction.models import Capability, Receipt, Step
from modules.platform.discovery import Role, registry
from tests.extraction.analysis.shoppers import shoppers
from tests.extraction.commands import own_instance, pay, service_rows, strangler, told
from tests.extraction.running import overtime
from tests.platform.discovery.serving import RegistryServer, said
from tests.platform.placement.doorway import doorway
from tests.proxy.front import FrontDoor
from tests.proxy.origin import Got, ok
from tests.proxy.origin import Step as Answering

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(240),
]
RUN = ("run", "payment", "--auto", "--reason", "INC-42", "--steps", "50,100")
QUICK = ("--hold", "1.5", "--longest", "30", "--shadow", "1", "--watch", "1")


# Seconds that the monolith takes for a request. On a busy machine all take longer than a moment
# ago, and the service, which takes none, must not be called slow for that.
ROOM = 0.02


def _same(request: Got) -> bytes:
    return ok(b"monolith")


def _same_at_leisure(request: Got) -> tuple[Answering, ...]:
    return (ROOM, ok(b"monolith"))


@pytest.fixture
def door(place: None, tmp_path: Path) -> Iterator[FrontDoor]:
    """Monolith and service answer alike; the service's instances are those of a registry."""
    server = RegistryServer()
    server.start()
    keeps = {"state": str(tmp_path / "state")}
    at = {"url": f"{server.url}/instances?module=payment", "role": "origin", "refresh_seconds": 0.1}
    try:
        with doorway(
            tmp_path, registry=at, respond=_same, at_home=_same_at_leisure, more=keeps
        ) as running:
            yield running
    finally:
        server.stop()


def _registered(door: FrontDoor) -> None:
    """There are instances of both kinds."""
    url = f"http://{door.service_address}"  # type: ignore[attr-defined]
    registry.register("payment-1", said(role=Role.ORIGIN, url=url), issuer="payment", ttl=600)
    own_instance(door)


def test_from_the_monolith_to_the_service(
    door: FrontDoor, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped early, refused, late, gone on; every stage on record with the same reason."""
    pay(5)
    _stops_where_it_is_told()
    capsys.readouterr()
    _guard_that_does_not_come_true_ends_it()
    assert "waits for instances with their own database (0 of 1 or more)" in capsys.readouterr().err
    _registered(door)
    overtime.cutover_is_given_up(door)
    with shoppers(door, a_second=250):
        code, report = told(*RUN, *QUICK)
    _went_through(code, report)
    _again_it_only_watches()
    overtime.rollback_is_given_up(door)
    overtime.time_that_ends_after_the_commit_point_is_no_reason_to_stop()


def _stops_where_it_is_told() -> None:
    code, report = told(*RUN, "--to", "verify")
    assert (code, report["phase"]) == (0, "shadow"), report
    assert [(one["stage"], one["outcome"]) for one in report["stages"]] == [
        ("create", "done"),
        ("backfill", "done"),
        ("verify", "done"),
    ]
    assert all(one["seconds"] > 0 for one in report["stages"])
    assert service_rows("SELECT count(*) FROM payment_payment") == [(5,)]


def _guard_that_does_not_come_true_ends_it() -> None:
    """With the table, after a bounded time; nothing is half done."""
    more = ("--skip", "shadow", "--skip", "canary", "--wait", "0.5")
    code, text, _ = strangler(*RUN, *more)
    assert code == 1
    assert "instances with their own database" in text
    assert "need" in text
    assert Capability.objects.get(module="payment").phase == "shadow"
    assert not Step.objects.filter(verb="cutover").exists()
    pay(1)


def _went_through(code: int, report: dict[str, Any]) -> None:
    stages = {one["stage"]: one for one in report["stages"]}
    assert code == 0, report
    assert list(stages) == [
        *("backfill", "verify", "shadow", "canary", "preflight", "cutover", "watch")
    ]
    assert "differ" not in stages["shadow"]["words"] or "0 differ" in stages["shadow"]["words"]
    assert report["phase"] == "extracted"
    assert report["receipt"] == Receipt.objects.get().pk
    assert 0 < report["pause_ms"] < 60_000
    assert "reached, 100 %" in stages["canary"]["words"]
    assert stages["watch"]["words"].startswith("pass: errors of requests: 0.00 %")
    assert stages["watch"]["judgement"]["sides"] == ["service", "monolith before"]
    verbs = list(Step.objects.order_by("id").values_list("verb", "outcome", "reason"))[-9:]
    assert verbs == [
        (verb, "done", "INC-42")
        for verb in (
            *("backfill", "verify", "shadow", "canary", "analysis", "canary", "analysis"),
            *("cutover", "analysis"),
        )
    ]


def _again_it_only_watches() -> None:
    """Where it stands there is nothing else to do."""
    code, report = told(*RUN, "--watch", "0")
    assert [one["stage"] for one in report["stages"]] == ["watch"]
    assert (code, report["receipt"]) == (0, None)
    assert "looks again" in report["next_step"]  # nobody came
    code, report = told(*RUN, "--dry-run")
    assert (code, report["dry_run"], report["phase"]) == (0, True, "extracted")


@pytest.mark.usefixtures("place")
def test_without_auto_it_does_not_go() -> None:
    """Exit code 2: it asks nothing, so it must be meant."""
    code, out, err = strangler("run", "payment", "--reason", "a test")
    assert (code, out) == (2, "")
    assert "say --auto" in err
    assert not Step.objects.exists()


@pytest.mark.usefixtures("place")
def test_dry_run_names_the_stages() -> None:
    """And does none of them."""
    code, report = told("run", "payment", "--dry-run", "--to", "extracted", "--skip", "shadow")
    assert [one["stage"] for one in report["stages"]] == [
        *("create", "backfill", "verify", "canary", "preflight", "cutover")
    ]
    assert (code, Step.objects.exists()) == (0, False)

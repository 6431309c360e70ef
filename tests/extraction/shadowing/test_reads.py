"""Reads mirrored by a real front door, compared beside it, and what ``diff`` says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modules.extraction import standings
from modules.extraction.phases import Standing
from modules.extraction.routing.doors import front_doors
from modules.extraction.shadowing import mirrors
from modules.extraction.shadowing.collecting import ONCE
from modules.extraction.shadowing.differences import latest, rate
from modules.extraction.shadowing.keeping import fingerprint_of
from modules.platform.discovery import registry
from tests.extraction.commands import done, strangler, told
from tests.extraction.shadowing.sides import ROUTE, Both

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
HOUR = timedelta(hours=1)


def mirror(percent: int = 100, *more: str) -> dict[str, Any]:
    """Turn it on without learning, so that all copies go to the service."""
    return done("shadow", "--percent", str(percent), "--learn", "0", *more)


def fingerprint(place: str, way: str = "value") -> str:
    return fingerprint_of("payment", ROUTE, place, way)


def differences() -> dict[str, dict[str, Any]]:
    """What ``diff`` has found, by fingerprint."""
    _, found = told("diff", "payment")
    return {one["fingerprint"]: one for one in found["fingerprints"]}


def test_reads_that_are_the_same_are_no_difference(both: Both) -> None:
    """Exit code 0, and all of them counted."""
    mirror()
    both.ask(3)
    code, found = told("diff", "payment")
    assert (code, found["compared"], found["pairs"]["same"]) == (0, 3, 3)
    assert len(both.service.asked) == 3


def test_another_configuration_is_found_with_its_place(both: Both) -> None:
    """A provider set otherwise in the service: one fingerprint for all rows that show it."""
    both.monolith.body = {"items": [{"id": n, "provider": "stripe"} for n in range(3)]}
    both.service.body = {"items": [{"id": n, "provider": "standin"} for n in range(3)]}
    mirror(100, "--owner", "team-payments")
    both.ask(2)
    code, found = told("diff", "payment")
    assert (code, found["compared"], found["pairs"]["different"]) == (3, 2, 2)
    (one,) = found["fingerprints"]
    assert one["fingerprint"] == fingerprint("body $.items[].provider")
    assert (one["state"], one["count"], one["owner"]) == ("open", 2, "team-payments")
    sample = one["samples"][0]
    assert (sample["monolith"], sample["service"]) == ("stripe", "standin")
    assert sample["place"].startswith("body $.items[")
    assert rate("payment", datetime.now(UTC) - HOUR).different == 2
    assert latest("payment", 1)[0].samples


@pytest.mark.parametrize(
    ("place", "way", "monolith", "service"),
    [
        (
            "header cache-control",
            "value",
            {"Cache-Control": "no-store"},
            {"Cache-Control": "private"},
        ),
        ("header vary", "missing", {"Vary": "Accept, Origin"}, {}),
        ("header content-type", "value", {}, {"Content-Type": "application/json; charset=utf-8"}),
    ],
)
def test_another_header_is_found(
    both: Both, place: str, way: str, monolith: dict[str, str], service: dict[str, str]
) -> None:
    """A middleware that one of the hosts lacks."""
    both.monolith.headers, both.service.headers = monolith, service
    mirror()
    both.ask()
    assert set(differences()) == {fingerprint(place, way)}


def test_the_same_moment_in_another_zone_is_another_spelling(both: Both) -> None:
    """A host with another TIME_ZONE: the client's parser sees it, so it counts."""
    both.monolith.body = {"created_at": "2026-11-20T12:00:00Z", "amount": "10.00"}
    both.service.body = {"created_at": "2026-11-20T13:00:00+01:00", "amount": "10.0"}
    mirror()
    both.ask()
    assert set(differences()) == {
        fingerprint("body $.created_at", "spelling"),
        fingerprint("body $.amount", "spelling"),
    }


def test_another_status_is_all_that_is_said_of_a_pair(both: Both) -> None:
    """One fault, one fingerprint, though header and body are others, too."""
    both.service.status, both.service.body = "500 Internal Server Error", {"code": "broken"}
    mirror()
    both.ask()
    assert set(differences()) == {fingerprint("status", "200 -> 500")}


def test_what_differs_by_itself_is_learned_and_not_reported(both: Both) -> None:
    """The monolith is asked twice; what is then different is noise, what is not still counts."""
    numbers = iter(range(10_000))

    def drawn(provider: str) -> Any:
        return lambda: {"request": next(numbers), "provider": provider}

    both.monolith.body, both.service.body = drawn("stripe"), drawn("standin")
    done("shadow", "--percent", "100", "--learn", "600")
    assert both.table()["capabilities"]["payment"]["mirror"]["upstream"] == "payment-again"
    both.ask(4)
    code, found = told("diff", "payment")
    assert (code, found["compared"], found["pairs"]["runs"]) == (0, 0, 4)
    assert (both.service.asked, len(both.monolith.asked)) == ([], 8)
    mirror()
    both.ask(3)
    code, found = told("diff", "payment")
    states = {one["place"]: one["state"] for one in found["fingerprints"]}
    assert states == {"body $.request": "noise", "body $.provider": "open"}
    assert (code, found["compared"]) == (3, 3)
    both.service.body = drawn("stripe")
    both.ask(2)
    found = told("diff", "payment")[1]["pairs"]
    assert (found["noise"], found["different"]) == (2, 3)


def test_rule_hides_a_difference_until_it_is_over(both: Both) -> None:
    """With a reason, on record; then it counts again, backwards too."""
    both.service.body = {"items": [], "more": False}
    mirror()
    both.ask(2)
    mark = fingerprint("body $.more", "added")
    assert told("diff", "payment")[0] == 3
    ignored = ("diff", "payment", "--ignore", mark, "--reason", "a member that nobody reads")
    assert strangler(*ignored, "--days", "1")[0] == 0
    code, found = told("diff", "payment")
    assert (code, found["pairs"]["ignored"], found["pairs"]["different"]) == (0, 2, 0)
    since = datetime.now(UTC) - HOUR
    assert rate("payment", since).open_fingerprints == 0
    assert differences()[mark]["until"]
    assert strangler(*ignored, "--until", "2026-01-01")[0] == 0
    assert told("diff", "payment")[0] == 3
    assert rate("payment", since).different == 2
    _, out, _ = strangler("log", "payment")
    assert out.count("diff") >= 2


@pytest.mark.parametrize(
    "wrong",
    [
        ("--days", "1"),
        ("--reason", "because it is so"),
        ("--days", "1", "--until", "2026-12-01", "--reason", "because it is so"),
        ("--days", "9999", "--reason", "because it is so"),
        ("--until", "tomorrow", "--reason", "because it is so"),
    ],
)
def test_rule_needs_an_end_and_a_reason(both: Both, wrong: tuple[str, ...]) -> None:
    """One that never ends is a hole in the check."""
    both.service.body = {}
    mirror()
    both.ask()
    mark = fingerprint("body $.items", "missing")
    assert told("diff", "payment")[0] == 3
    assert strangler("diff", "payment", "--ignore", mark, *wrong)[0] == 2
    assert told("diff", "payment")[0] == 3


def test_what_cannot_be_compared_is_counted_with_its_reason(both: Both) -> None:
    """Pages for people, and answers that the service never gave."""
    both.monolith.headers = {"Content-Type": "text/html; charset=utf-8"}
    mirror()
    both.ask(2)
    both.monolith.headers, both.service.is_lost = {}, True
    both.ask()
    code, found = told("diff", "payment")
    why = {"a page for people": 2, "service: upstream_lost": 1}
    assert (code, found["compared"], found["pairs"]["not_compared"]) == (0, 0, why)
    _, out, _ = strangler("diff", "payment")
    assert "not compared: 2 (a page for people)" in out


def test_what_was_not_asked_again_is_not_compared(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be lag. A header is not, and what is the same is compared as ever."""
    monkeypatch.setattr(mirrors, "CONFIRM", 0.0)
    both.service.body = {"items": [1]}
    mirror()
    both.ask(2)
    code, found = told("diff", "payment")
    assert (code, found["pairs"]["not_compared"]) == (0, {ONCE: 2})
    both.service.body, both.service.headers = both.monolith.body, {"Vary": "Accept"}
    both.ask()
    code, found = told("diff", "payment")
    assert (code, found["compared"], found["pairs"]["different"]) == (3, 1, 1)


def test_personal_values_are_kept_as_kind_and_length(both: Both) -> None:
    """Unless somebody has said that a member may be shown."""
    both.monolith.body = {"email": "ada@example.com", "city": "Paris", "code": "x" * 100}
    both.service.body = {"email": "bob@example.com", "city": "London", "code": "y" * 100}
    mirror(100, "--show", "city")
    both.ask(1, "/api/v1/payment/payments?email=ada@example.com")
    found = {one["place"]: one["samples"][0] for one in differences().values()}
    assert found["body $.email"]["monolith"] == "text(15)"
    assert found["body $.city"]["service"] == "London"
    assert found["body $.code"]["monolith"] == "x" * 60 + "... (100)"
    assert found["body $.code"]["asked"] == f"{ROUTE}?email="


def test_each_pair_counts_once_whoever_collects(both: Both) -> None:
    """The place in the file moves with the counts; what is recorded later comes later."""
    mirror()
    both.ask(2)
    for _ in range(2):
        assert told("diff", "payment")[1]["compared"] == 2
    both.ask()
    assert told("diff", "payment")[1]["compared"] == 3


def test_off_leaves_nothing_at_the_front_door(both: Both) -> None:
    """What was found stays to be read; no request is copied, no pair stays on disk."""
    before = both.table()
    mirror()
    both.ask()
    done("shadow", "--percent", "0")
    after = both.table()
    assert (after["capabilities"], after["upstreams"]) == (
        before["capabilities"],
        before["upstreams"],
    )
    both.door.admin("GET", "/-/table")
    asked = len(both.service.asked)
    assert both.recorded() == 0
    code, found = told("diff", "payment")
    assert (code, found["percent"], found["compared"]) == (0, 0, 1)
    assert len(both.service.asked) == asked


def test_canary_is_shadowed_too(both: Both) -> None:
    """What the monolith still answers is compared with the service's own database."""
    mirror()
    patch = {"phase": "canary", "percent": 1}
    assert both.door.admin("PATCH", "/-/capabilities/payment", json=patch).is_success
    both.ask(2)
    assert told("diff", "payment")[1]["compared"] >= 1


def test_cutover_can_have_the_front_door_hold_while_reads_are_mirrored(both: Both) -> None:
    """The copies go to what will be the service: the table stays one that a front door takes."""
    mirror()
    with front_doors() as (told_so,):
        told_so.prepare("payment")
        told_so.hold("payment")
        both.ask()
        told_so.release("payment")
    done("shadow", "--percent", "0")
    assert "payment-again" not in both.table()["upstreams"]


def test_shadow_needs_somebody_to_ask_and_a_phase(both: Both) -> None:
    """Without an instance it is refused; outside shadow and canary the table of phases says no."""
    registry.deregister("payment-9", issuer="payment")
    code, found = told("shadow", "payment", "--percent", "5", "--reason", "a test")
    assert (code, found["guards"][0]["passes"]) == (1, False)
    assert both.table()["capabilities"]["payment"].get("mirror") is None
    standings.put("payment", Standing(), reason="planted")
    assert strangler("shadow", "payment", "--percent", "5", "--reason", "a test")[0] == 1
    assert strangler("shadow", "payment", "--percent", "101", "--reason", "a test")[0] == 2

"""A canary at the door: who is in it, who stays in it, and who answers when the service cannot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import xxhash

from tests.ports import free_port
from tests.proxy.client import Reply, ask, crowd, patch
from tests.proxy.issuing import AUDIENCE, ISSUER, Issuer, jwks
from tests.proxy.origin import CLOSE, ok, origin
from tests.proxy.stage import Stage, capability, nobody, stage
from tests.waiting import eventually

USERS = [f"user-{number}" for number in range(100)]
ALL = {"phase": "canary", "percent": 100}
CAPABILITIES: dict[str, dict[str, Any]] = {
    "cohorts": capability(phase="canary", percent=30),
    "refusing": capability(**ALL, service="dead"),
    "empty": capability(**ALL, service="nobody"),
    "cut": capability(**ALL),
    "unwell": capability(**ALL),
    "full": capability(**ALL, service="narrow"),
    "broken": capability(**ALL, service="fragile"),
    "asked": capability(phase="canary", percent=0),
    "asked-dead": capability(phase="canary", percent=0, service="dead"),
    "asked-done": capability(phase="extracted"),
    "extracted-dead": capability(phase="extracted", service="dead"),
    "retired-dead": capability(phase="retired", service="dead"),
    "extracted-empty": capability(phase="extracted", service="nobody"),
    "retired-cut": capability(phase="retired"),
}
ROUTES: dict[str, dict[str, Any]] = {
    name: {"authentication": "optional"} for name in ("asked", "asked-dead", "asked-done")
} | {"cohorts": {"sticky": ["header:X-User"]}}


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def dead() -> Iterator[int]:
    """A port where nobody listens."""
    with nobody() as port:
        yield port


@pytest.fixture(scope="module")
def play(issuer: Issuer, dead: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage of this file's tests, with tokens."""
    folder = tmp_path_factory.mktemp("stage")
    keys = folder / "keys.json"
    keys.write_bytes(jwks(issuer))

    def change(document: dict[str, Any]) -> None:
        source = {"keys": {"file": str(keys)}, "issuer": ISSUER, "audience": AUDIENCE}
        document["authentication"] = source
        service = document["upstreams"]["service"]["instances"][0]["address"]
        document["upstreams"] |= {
            "dead": {"instances": [{"address": f"127.0.0.1:{dead}"}], "breaker": None},
            "nobody": {"registry": {}},
            "narrow": {
                "instances": [{"address": service}],
                "bulkhead": {"concurrent": 1, "queue": 0},
                "breaker": None,
            },
            "fragile": {
                "instances": [{"address": service}],
                "breaker": {"minimum": 3, "ratio": 0.5, "rest_seconds": 60, "probes": 1},
                "outliers": None,
            },
        }

    with stage(folder, CAPABILITIES, ROUTES, change) as running:
        yield running


def bucket(user: str) -> int:
    return xxhash.xxh64_intdigest(user.encode()) % 100


def in_cohort(percent: int) -> set[str]:
    """By the rule that all data planes share."""
    return {user for user in USERS if bucket(user) >= 100 - percent}


def asked_by_all(play: Stage, method: str = "GET") -> dict[str, str]:
    """The side that answers each user."""
    with closing(HTTPConnection("127.0.0.1", play.port, timeout=10)) as client:
        answers = {}
        for user in USERS:
            client.request(method, "/cohorts", headers={"X-User": user})
            answers[user] = client.getresponse().read().decode()
    return answers


# ---------------------------------------------------------------- cohorts


def test_cohort_stays_the_same_over_requests_and_tables(play: Stage) -> None:
    """A thousand requests of a hundred users while tables change: each stays on their side."""
    sides: dict[str, set[str]] = {user: set() for user in USERS}
    for turn in range(10):
        patch(play.door, "asked", epoch=100 + turn)
        for user, side in asked_by_all(play, "GET" if turn % 2 else "POST").items():
            sides[user].add(side)
    assert all(len(side) == 1 for side in sides.values())
    assert {user for user, side in sides.items() if side == {"service"}} == in_cohort(30)


def test_cohort_only_grows_with_the_percentage(play: Stage) -> None:
    """Who is in at 30 is in at 60; back at 30 it is the same people."""
    found = []
    for percent in (30, 60, 100, 0, 30):
        patch(play.door, "cohorts", percent=percent)
        cohort = {user for user, side in asked_by_all(play).items() if side == "service"}
        assert cohort == in_cohort(percent)
        found.append(cohort)
    assert found[0] < found[1] < found[2] == set(USERS)
    assert found[3] == set()
    assert found[4] == found[0]


# ---------------------------------------------------------------- the monolith stands in


@pytest.mark.parametrize("name", ["refusing", "empty"])
def test_monolith_answers_while_it_is_the_authority(name: str, play: Stage) -> None:
    """The service cannot be reached: reads, and commands without a key too, are not lost."""
    before = fallen_back(play, name)
    for method, key in (("GET", {}), ("POST", {}), ("POST", {"Idempotency-Key": "k"})):
        reply = ask(play.port, method, f"/{name}", body=b"x" if key else None, headers=key)
        assert (reply.status, reply.text) == (200, "monolith")
    assert fallen_back(play, name) == before + 3


def fallen_back(play: Stage, name: str) -> float:
    return play.door.metric("ficus_proxy_fallbacks_total", route=name, kind="monolith")


@pytest.mark.parametrize("answer", [[CLOSE], ok(b"no", status="503 Unavailable")])
def test_what_may_have_been_done_goes_to_the_monolith_only_if_that_is_harmless(
    answer: bytes | list[str], play: Stage
) -> None:
    """Sent and not answered: idempotent and keyed requests go on to it, others do not."""
    name = "cut" if isinstance(answer, list) else "unwell"
    play.service.play(name, answer)
    assert ask(play.port, "GET", f"/{name}").text == "monolith"
    keyed = ask(play.port, "POST", f"/{name}", body=b"x", headers={"Idempotency-Key": "k"})
    assert keyed.text == "monolith"
    before = len(play.monolith.got(name))
    assert ask(play.port, "POST", f"/{name}", body=b"x").status in (502, 503)
    assert len(play.monolith.got(name)) == before == 2
    assert [got.body for got in play.monolith.got(name)] == [b"", b"x"]


def test_monolith_takes_what_a_full_or_broken_service_cannot(play: Stage) -> None:
    """A bulkhead without a place and an open breaker are as good as nobody there."""
    play.service.play("full", lambda got: [0.5, ok(b"service")])
    with crowd() as people:
        first = people.ask(play.port, "GET", "/full")
        eventually(lambda: play.service.got("full"))
        assert ask(play.port, "POST", "/full").text == "monolith"
        assert first.result().text == "service"
    play.service.play("broken", [CLOSE])
    for _ in range(6):
        assert ask(play.port, "GET", "/broken").text == "monolith"
    assert len(play.service.got("broken")) <= 4, "the breaker is open: nobody is asked"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("extracted-dead", 502),
        ("retired-dead", 502),
        ("extracted-empty", 503),
        ("retired-cut", 502),
    ],
)
def test_monolith_never_answers_without_the_authority(name: str, status: int, play: Stage) -> None:
    """In extracted and retired a service that is down is down."""
    play.service.play(name, [CLOSE])
    for method, headers in (("GET", {}), ("POST", {}), ("POST", {"Idempotency-Key": "k"})):
        reply = ask(play.port, method, f"/{name}", headers=headers)
        assert reply.status == status
        if status == 503:
            assert int(reply.headers["retry-after"]) >= 1
    assert play.monolith.got(name) == []


# ---------------------------------------------------------------- testers


def test_tester_chooses_the_side(play: Stage, issuer: Issuer) -> None:
    """Staff by ``Ficus-Route``; the field never reaches an upstream."""
    staff, customer = bearer(issuer, kind="staff"), bearer(issuer)
    assert asked(play, "asked", staff, "service").text == "service"
    assert asked(play, "asked", staff, "monolith").text == "monolith"
    assert asked(play, "asked", staff).text == "monolith"
    assert asked(play, "asked", customer, "service").text == "monolith"
    assert asked(play, "asked", None, "service").text == "monolith"
    for got in (*play.monolith.got("asked"), *play.service.got("asked")):
        assert "ficus-route" not in got.headers


def test_tester_gets_no_answer_of_another_side(play: Stage, issuer: Issuer) -> None:
    """The service is down: so it says. The authority is elsewhere: 409. No such side: 400."""
    staff = bearer(issuer, kind="staff")
    assert asked(play, "asked-dead", staff, "service").status == 502
    assert play.monolith.got("asked-dead") == []
    assert asked(play, "asked-done", staff, "monolith").status == 409
    assert asked(play, "asked-done", staff, "service").text == "service"
    assert asked(play, "asked", staff, "both").status == 400


def bearer(issuer: Issuer, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token(now=time.time(), **claims)}"}


def asked(play: Stage, name: str, who: dict[str, str] | None, wish: str = "") -> Reply:
    headers = {**(who or {}), **({"Ficus-Route": wish} if wish else {})}
    return ask(play.port, "GET", f"/{name}", headers=headers)


def test_a_service_that_comes_back_is_asked_again(tmp_path: Path) -> None:
    """Standing in ends with its reason: no restart, no new table."""
    port = free_port()

    def change(document: dict[str, Any]) -> None:
        document["upstreams"]["back"] = {
            "instances": [{"address": f"127.0.0.1:{port}"}],
            "breaker": {"minimum": 3, "rest_seconds": 0.3, "probes": 1},
        }

    with stage(tmp_path, {"one": capability(**ALL, service="back")}, change=change) as play:
        for _ in range(5):
            assert ask(play.port, "POST", "/one").text == "monolith"
        with origin(ok(b"back again"), port):
            eventually(lambda: ask(play.port, "POST", "/one").text == "back again")

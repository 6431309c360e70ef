"""The registry's rules, on a real PostgreSQL: who is listed, until when, and who may say so."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models import F

from modules.platform.contracts import Actor, ActorKind, CallContext, call_context
from modules.platform.discovery import registry
from modules.platform.discovery.errors import IdTaken, InstanceUnknown
from modules.platform.discovery.instances import Role
from modules.platform.discovery.models import AnnouncedContract, RegisteredInstance
from modules.platform.discovery.registry import State
from tests.platform.discovery.serving import said

pytestmark = pytest.mark.django_db


def _listed(module: str | None = None) -> list[str]:
    return [one.id for one in registry.live(module)]


def _aged(column: str, by: timedelta) -> None:
    model = AnnouncedContract if column == "announced_at" else RegisteredInstance
    model.objects.update(**{column: F(column) - by})  # type: ignore[attr-defined]


def test_registered_instance_is_listed_as_it_said() -> None:
    """All that it announced, and nothing else."""
    announced = said(role=Role.ORIGIN, version="1.4", capacity=3, url="http://10.0.0.7:81")

    assert registry.register("a", announced, issuer="payment") is True

    (one,) = registry.live("payment")
    assert (one.id, one.url, one.role, one.version, one.capacity) == (
        "a",
        "http://10.0.0.7:81",
        Role.ORIGIN,
        "1.4",
        3,
    )
    assert registry.live("notification") == ()


def test_registering_again_replaces_what_was_said() -> None:
    """Same id, new url: one row, and it is not new."""
    registry.register("a", said(), issuer="payment")

    assert registry.register("a", said(url="http://10.0.0.8:80"), issuer="payment") is False
    assert [one.url for one in registry.live()] == ["http://10.0.0.8:80"]


@pytest.mark.parametrize(("issuer", "module"), [("thief", "payment"), ("payment", "orders")])
def test_id_of_another_issuer_or_module_is_taken(issuer: str, module: str) -> None:
    """Nobody gets another's calls by taking its name."""
    registry.register("a", said(), issuer="payment")

    with pytest.raises(IdTaken, match="The id a is another's"):
        registry.register("a", said(module=module, url="http://evil:80"), issuer=issuer)

    assert [one.url for one in registry.live()] == ["http://127.0.0.1:9001"]


def test_silence_ends_a_registration_by_the_databases_clock() -> None:
    """Neither sooner nor without anybody asking for it; a heartbeat makes it live again."""
    registry.register("a", said(), issuer="payment", ttl=60)
    assert _listed() == ["a"]

    _aged("expires_at", timedelta(seconds=61))

    assert _listed() == []
    assert registry.entry("a").state is State.EXPIRED
    assert registry.heartbeat("a", issuer="payment") is True
    assert _listed() == ["a"]


def test_heartbeats_keep_an_instance_beyond_its_first_time_to_live() -> None:
    """Real time, with a time to live of half a second."""
    registry.register("a", said(), issuer="payment", ttl=0.5)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        registry.heartbeat("a", issuer="payment", ttl=20)
        assert _listed() == ["a"]
        time.sleep(0.1)

    registry.heartbeat("a", issuer="payment", ttl=0.05)
    time.sleep(0.2)
    assert _listed() == []


def test_heartbeat_tells_the_load() -> None:
    """None until it was said, and again after a new registration."""
    registry.register("a", said(), issuer="payment")
    assert registry.entry("a").in_flight is None

    registry.heartbeat("a", issuer="payment", in_flight=5)
    assert registry.entry("a").in_flight == 5

    registry.register("a", said(), issuer="payment")
    assert registry.entry("a").in_flight is None


@pytest.mark.parametrize("act", [registry.heartbeat, registry.deregister])
def test_another_issuers_instance_is_unknown(act: object) -> None:
    """Whether it exists is none of its business."""
    registry.register("a", said(), issuer="payment")

    with pytest.raises(InstanceUnknown, match="no instance a"):
        act("a", issuer="thief")  # type: ignore[operator]
    assert _listed() == ["a"]


def test_deregistered_instance_is_gone_at_once() -> None:
    """And a second goodbye finds nobody."""
    registry.register("a", said(), issuer="payment")
    registry.deregister("a", issuer="payment")

    assert registry.entries() == ()
    with pytest.raises(InstanceUnknown):
        registry.deregister("a", issuer="payment")


def test_dropped_instance_stays_out_whatever_it_says() -> None:
    """Heartbeats and registrations do not undo what an operator said; restoring does."""
    registry.register("a", said(), issuer="payment")
    operator = CallContext(actor=Actor(kind=ActorKind.STAFF, id="7", label="op@shop.test"))
    with call_context(operator):
        registry.drop("a", reason="answers with errors")

    assert registry.heartbeat("a", issuer="payment") is False
    registry.register("a", said(), issuer="payment")

    assert _listed() == []
    one = registry.entry("a")
    assert (one.state, one.dropped_by, one.drop_reason) == (
        State.DROPPED,
        "op@shop.test",
        "answers with errors",
    )
    registry.restore("a", reason="repaired")
    assert _listed() == ["a"]
    assert registry.entry("a").drop_reason == ""


@pytest.mark.parametrize("act", [registry.drop, registry.restore])
def test_steering_an_instance_that_is_not_there(act: object) -> None:
    """A typo is not taken for done."""
    with pytest.raises(InstanceUnknown, match="no instance nobody"):
        act("nobody", reason="because")  # type: ignore[operator]


def test_old_silent_rows_and_contracts_are_forgotten() -> None:
    """An hour after an instance's end, a month after a contract's; what is in use stays."""
    registry.announce_contract("a" * 32, "payment", "{}")
    registry.announce_contract("b" * 32, "payment", "{}")
    registry.register("old", said(), issuer="payment")
    registry.register("used", said(contract="a" * 32), issuer="payment")
    _aged("announced_at", timedelta(days=31))
    _aged("expires_at", timedelta(minutes=62))
    registry.heartbeat("used", issuer="payment")

    assert registry.forget_old() == 2

    assert [one.id for one in registry.entries()] == ["used"]
    assert registry.contract("a" * 32) == "{}"
    assert registry.contract("b" * 32) is None


@pytest.mark.django_db(transaction=True)
def test_many_registrations_of_one_id_at_once_make_one_row() -> None:
    """One of them was the first."""

    def register(number: int) -> bool:
        try:
            return registry.register("a", said(capacity=number + 1), issuer="payment")
        finally:
            connections["default"].close()

    with ThreadPoolExecutor(8) as pool:
        is_new = list(pool.map(register, range(24)))

    assert is_new.count(True) == 1
    assert len(registry.entries()) == 1

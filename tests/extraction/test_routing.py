"""A change of authority as the way of calls, and as what front doors do."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modules.extraction import standings
from modules.extraction.modules_here import movable_modules
from modules.extraction.phases import Phase, Standing
from modules.extraction.routing.calls import AuthorityRoute, WhileThere
from modules.extraction.routing.doors import Door, DoorAway, front_doors
from modules.extraction.routing.installing import install
from modules.extraction.routing.watching import Authorities, Authority, tell
from modules.payment.contract import Payment
from modules.platform.binding import (
    LocalRoute,
    Method,
    implementation_of,
    methods_of,
    port_of,
    route,
    use,
)
from modules.platform.contracts import CallContext, Fenced, Moved, call_context
from modules.platform.discovery import Role, StaticSource, registry
from modules.platform.discovery.choosing import LeastLoaded
from modules.platform.discovery.errors import NoInstance
from modules.platform.messaging import authority
from modules.platform.rpc import ModuleUnreachable
from tests.extraction.commands import asked
from tests.platform.discovery.serving import said
from tests.proxy.front import FrontDoor

AUTHORIZE = methods_of(Payment)["authorize"]
AT_SERVICE = Authority(is_services=True, epoch=1)
Answers = Callable[..., Any]


class Way:
    """A way whose answers are scripted: a text, or an error to raise. The last one stays."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers, self.asked = list(answers), list[Any]()

    def caller(self, method: Method) -> Answers:
        return self.__call__

    def __call__(self, *args: Any) -> str:
        self.asked.append(args)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Known(Authorities):
    """What is told to it, and no table."""

    def _ensure(self) -> None:
        """Nobody looks."""

    def wait(self, seconds: float) -> bool:
        """Nobody has to."""
        return True


def routed(here: Way, there: Way, known: Authorities) -> Answers:
    route = AuthorityRoute(here.caller, there, known, sleep=lambda seconds: None)
    return route.caller(AUTHORIZE)


def moved(epoch: int, module: str = "payment") -> Moved:
    return Moved(module=module, epoch=epoch)


def test_call_goes_to_whoever_has_the_authority() -> None:
    """From the next call on, and back."""
    here, there, known = Way("here"), Way("there"), Known()
    call = routed(here, there, known)
    assert call() == "here"
    known.learn("payment", AT_SERVICE)
    assert call() == "there"
    known.learn("payment", Authority(is_services=False, epoch=2))
    assert call() == "here"


def test_process_that_has_not_heard_is_told_by_the_refusal() -> None:
    """PostgreSQL says Moved: the same command goes to the service, and the next one at once."""
    here, there, known = Way(moved(3)), Way("there"), Known()
    call = routed(here, there, known)
    assert call("command") == "there"
    assert (here.asked, there.asked) == ([("command",)], [("command",)])
    assert known.of("payment") == Authority(is_services=True, epoch=3)
    assert call("next") == "there"
    assert len(here.asked) == 1


def test_service_that_has_not_the_authority_any_more_says_so_too() -> None:
    """After a rollback: back here, with the same command."""
    here, there, known = Way("here"), Way(moved(4)), Known()
    known.learn("payment", AT_SERVICE)
    assert routed(here, there, known)("command") == "here"
    assert known.of("payment") == Authority(is_services=False, epoch=4)


def test_old_news_changes_nothing() -> None:
    """A refusal that was under way while authority moved on names an older epoch."""
    known = Known()
    known.learn("payment", Authority(is_services=True, epoch=5))
    known.learn("payment", Authority(is_services=False, epoch=5))
    known.learn("payment", Authority(is_services=False, epoch=4))
    assert known.of("payment").is_services


def test_fence_is_waited_for() -> None:
    """The same command again, until it is let in here, or has moved and is taken there."""
    fenced = Fenced(module="payment", epoch=1)
    here, there, known = Way(fenced, fenced, "here"), Way("there"), Known()
    assert routed(here, there, known)("command") == "here"
    assert here.asked == [("command",)] * 3
    crossing = Way(fenced, moved(2))
    assert routed(crossing, there, Known())("command") == "there"


def test_fence_that_stays_is_the_callers_when_its_time_is_up() -> None:
    """It is the error of the contract, and retryable."""
    soon = CallContext(deadline=datetime.now(UTC) + timedelta(milliseconds=30))
    route = AuthorityRoute(Way(Fenced(module="payment")).caller, Way("there"), Known())
    began = time.monotonic()
    with call_context(soon), pytest.raises(Fenced):
        route.caller(AUTHORIZE)()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("error", [moved(9, "orders"), Fenced(module="orders")])
def test_refusal_of_another_module_is_passed_on(error: Exception) -> None:
    """Of one that payment called: its own error, its own waiting."""
    here, there, known = Way(error), Way("there"), Known()
    with pytest.raises(type(error)):
        routed(here, there, known)()
    assert (len(here.asked), there.asked) == (1, [])


def test_nobody_there_is_an_error_as_long_as_the_data_is_there() -> None:
    """The monolith's copy must not answer; after a rollback it must."""
    away = ModuleUnreachable(module="payment", method="payment.authorize", reason="x")
    here, known = Way("here"), Known()
    known.learn("payment", AT_SERVICE)
    with pytest.raises(ModuleUnreachable):
        routed(here, Way(away), known)()
    assert here.asked == []

    class Back(Way):
        def __call__(self, *args: Any) -> str:
            known.learn("payment", Authority(is_services=False, epoch=2))
            return super().__call__(*args)

    assert routed(here, Back(away), known)() == "here"


def test_call_that_was_told_moved_does_not_look_for_another_instance() -> None:
    """Once this process knows, none of them is the right one."""
    known = Known()
    chooser = WhileThere(LeastLoaded(StaticSource({"payment": ("http://a:80",)})), known)
    known.learn("payment", AT_SERVICE)
    one = chooser.choose("payment", avoid={"payment@a:80"})
    known.learn("payment", Authority(is_services=False, epoch=2))
    with pytest.raises(NoInstance):
        chooser.choose("payment", avoid={one.id})


def test_host_goes_by_the_authority() -> None:
    """Once installed: calls and the outbox are the service's, or nobody's; and ours again."""
    known = Known()
    before = {module: port_of(module) for module in movable_modules()}
    try:
        install(LeastLoaded(StaticSource({"payment": ()})), known)
        assert authority.hosted("payment")
        known.learn("payment", AT_SERVICE)
        assert not authority.hosted("payment")
        assert authority.hosted("orders")
        with pytest.raises(ModuleUnreachable):
            use(Payment).payments(order_ids=())
    finally:
        authority.install_authority(lambda module: True)
        for port in filter(None, before.values()):
            route(port, LocalRoute(implementation_of(port)))


@pytest.mark.django_db(transaction=True)
def test_every_process_hears_of_a_change() -> None:
    """The table is read when it changes; what stands in it is whose the data is."""
    known = Authorities()
    try:
        assert known.wait(10)
        assert known.of("payment") == Authority()
        at = Standing(phase=Phase.EXTRACTED, percent=100, epoch=7)
        standings.put("payment", at, reason="planted")
        tell("payment")
        until = time.monotonic() + 10
        while not known.of("payment").is_services and time.monotonic() < until:
            time.sleep(0.01)
        assert known.of("payment") == Authority(is_services=True, epoch=7)
    finally:
        known.close()


@pytest.mark.django_db(transaction=True)
def test_the_first_answer_of_a_process_is_right() -> None:
    """A command that asks once, and ends, must not hear what was so before anybody looked."""
    at = Standing(phase=Phase.EXTRACTED, percent=100, epoch=7)
    standings.put("payment", at, reason="planted")
    known = Authorities()
    before = {module: port_of(module) for module in movable_modules()}
    try:
        install(LeastLoaded(StaticSource({"payment": ()})), known)
        assert not authority.hosted("payment")
    finally:
        known.close()
        authority.install_authority(lambda module: True)
        for port in filter(None, before.values()):
            route(port, LocalRoute(implementation_of(port)))


def _capability(door: Door) -> dict[str, Any]:
    return door.capability("payment")


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_front_door_holds_and_sends_on(door: FrontDoor) -> None:
    """Commands wait while reads flow; then they are the new authority's, later the old one's."""
    url = f"http://{door.service_address}"  # type: ignore[attr-defined]
    with front_doors() as (told,), ThreadPoolExecutor(1) as pool:
        with pytest.raises(DoorAway, match="there is no upstream payment-own"):
            told.hold("payment")
        told.prepare("payment")
        with pytest.raises(DoorAway, match="finds no instance of payment-own"):
            told.wait_for_own("payment", seconds=0.3)
        registry.register("payment-9", said(role=Role.OWN, url=url), issuer="payment", ttl=600)
        told.wait_for_own("payment")
        assert asked(door) == "monolith"
        told.hold("payment")
        held = pool.submit(asked, door)
        assert asked(door, "GET") == "monolith"
        assert not held.done()
        told.give("payment", 3, to_service=True)
        assert held.result(10) == "service"
        assert (asked(door), asked(door, "GET")) == ("service", "service")
        assert _capability(told)["epoch"] == 3
        told.hold("payment")
        told.release("payment")
        assert asked(door) == "service"
        told.hold("payment")
        told.give("payment", 4, to_service=False)
        assert asked(door) == "monolith"
        assert _capability(told)["service"] == "payment"
        with pytest.raises(DoorAway, match="epoch"):
            told.give("payment", 2, to_service=True)


def test_front_door_that_is_away_is_said_in_one_line(settings: Any, tmp_path: Path) -> None:
    """Who drives decides what that means: before the decision it calls off, after it it is late."""
    settings.FICUS_HOME = tmp_path
    settings.PLACEMENT_FRONT_DOORS = ["http://127.0.0.1:9"]
    with front_doors() as (told,), pytest.raises(DoorAway, match=r"127\.0\.0\.1:9 cannot be told"):
        told.hold("payment")

"""Calls of a module that moves, counted by side: before the cutover and after it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modules.extraction.analysis.collecting import of_calls
from modules.extraction.analysis.readings import Counted, Pair, added, pairs
from modules.extraction.routing.calls import AuthorityRoute
from modules.extraction.routing.watching import Authorities, Authority
from modules.payment.contract import Payment
from modules.platform.binding import Method, methods_of
from modules.platform.contracts import ContractError, Fenced, Moved, NotFound
from modules.platform.rpc import ModuleUnreachable

AUTHORIZE = methods_of(Payment)["authorize"]
AWAY = ModuleUnreachable(module="payment", method="payment.authorize", reason="away")
MOVED = Moved(module="payment", epoch=1)


class Way:
    """Answers one after the other; an exception is raised."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)

    def caller(self, method: Method) -> Callable[..., Any]:
        return self

    def __call__(self) -> object:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Told(Authorities):
    """Knows what it is told, and looks at no table."""

    def _ensure(self) -> None:
        """Nobody looks."""

    def is_in_shadow(self, module: str) -> bool:
        return self.copied

    copied = False


@pytest.fixture
def known() -> Told:
    return Told()


def counted(known: Told, times: int, here: Way, there: Way, *, divided: bool = False) -> Pair:
    """What is counted of so many calls."""
    route = AuthorityRoute(
        here.caller, there, known, divided=lambda module: divided, sleep=lambda seconds: None
    )
    call, before = route.caller(AUTHORIZE), _now()
    for _ in range(times):
        with suppress(ValueError, ContractError):
            call()
    [_, found] = pairs(added(before, _now()))
    return found


def _now() -> Counted:
    families = text_string_to_metric_families(generate_latest().decode())
    samples = [(one.name, one.labels, one.value) for all_ in families for one in all_.samples]
    return Counted(sources={"": of_calls(samples, "payment")})


def test_module_that_stays_costs_nothing(known: Told) -> None:
    """Nobody asks how its calls go."""
    found = counted(known, 2, Way("here", "here"), Way())
    assert (found.monolith.done, found.canary.done) == (0, 0)


def test_module_that_is_copied_is_counted_here(known: Told) -> None:
    """A fault is one, a refusal is an answer, and a fence that was waited for is no fault."""
    known.copied = True
    fenced = Fenced(module="payment", epoch=1)
    answers = Way("here", ValueError("broken"), NotFound(), fenced, fenced, "here")
    found = counted(known, 4, answers, Way())
    assert (found.monolith.done, found.monolith.failed, sum(found.monolith.counts)) == (4, 1, 4)
    assert found.canary.done == 0


def test_calls_that_are_divided_are_counted_where_that_is_done(known: Told) -> None:
    """Not twice."""
    known.copied = True
    assert counted(known, 1, Way("here"), Way(), divided=True).monolith.done == 0


def test_module_that_has_moved_is_counted_there(known: Told) -> None:
    """Whoever finds nobody, or a fault, was not served."""
    known.copied = True  # as a process may think that has heard of the cutover by a refusal
    known.learn("payment", Authority(is_services=True, epoch=1))
    found = counted(known, 4, Way(), Way("there", AWAY, ValueError("broken"), NotFound()))
    assert (found.canary.done, found.canary.failed, sum(found.canary.counts)) == (4, 2, 4)
    assert found.monolith.done == 0


def test_call_across_the_cutover_counts_once_and_is_no_fault(known: Told) -> None:
    """Begun here, refused, done there; the next one is the service's."""
    known.copied = True
    found = counted(known, 2, Way(MOVED), Way("there", "there"))
    assert (found.monolith.done, found.canary.done) == (1, 1)
    assert (found.monolith.failed, found.canary.failed) == (0, 0)

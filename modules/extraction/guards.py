"""What must hold before a phase may change: have, need, and whether that passes. Pure.

Facts are collected elsewhere (``facts``); here they are judged. What is not known does not pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from modules.extraction.phases import Transition

RUNBOOK: Final = "docs/extraction-runbook.md"


def anchor_of(title: str) -> str:
    """As forges make it of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One line of the table. ``see`` is where to read on, for one that does not pass."""

    name: str
    have: str
    need: str
    passes: bool
    see: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if not self.passes:
            object.__setattr__(self, "see", f"{RUNBOOK}#{anchor_of(self.name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a module before a change. None: it could not be found out.

    ``contract`` and ``migrations`` say why the two sides would not get along; empty when they do.
    ``protocol`` are the guards that the data half has looked at itself.
    """

    has_host: bool | None = None
    faulty_tables: tuple[str, ...] | None = None
    contract: str | None = None
    migrations: str | None = None
    target: str | None = None  # what is in the service's database already; empty: nothing
    own_instances: int | None = None
    origin_instances: int | None = None
    doors_away: tuple[str, ...] | None = None
    percent: int = 0
    protocol: tuple[Guard, ...] = ()


def passed(guards: Iterable[Guard]) -> bool:
    """Whether all of them hold."""
    return all(one.passes for one in guards)


def hints(guards: Iterable[Guard]) -> tuple[str, ...]:
    """A line for each that does not pass."""
    return tuple(f"{one.name}: see {one.see}" for one in guards if not one.passes)


def guards_of(by: Transition, facts: Facts) -> tuple[Guard, ...]:
    """The table of ``by``, in the order in which people should read it."""
    return (*(guard(facts) for guard in GUARDS[by]), *facts.protocol)


def _host(facts: Facts) -> Guard:
    have = {True: "yes", False: "no", None: "unknown"}[facts.has_host]
    return Guard(name="host", have=have, need="yes", passes=facts.has_host is True)


def _tables(facts: Facts) -> Guard:
    return _none_of("tables that cannot be carried", facts.faulty_tables)


def _target(facts: Facts) -> Guard:
    return _reasonless("in the service's database", facts.target, fine="nothing")


def _contract(facts: Facts) -> Guard:
    return _reasonless("contract", facts.contract, fine="compatible")


def _migrations(facts: Facts) -> Guard:
    return _reasonless("migrations", facts.migrations, fine="the same")


def _own(facts: Facts) -> Guard:
    return _at_least("instances with their own database", facts.own_instances, 1)


def _origin(facts: Facts) -> Guard:
    needed = 1 if facts.percent else 0
    return _at_least("instances on the monolith's data", facts.origin_instances, needed)


def _doors(facts: Facts) -> Guard:
    return _none_of("front doors that are away", facts.doors_away)


def _none_of(name: str, found: tuple[str, ...] | None) -> Guard:
    have = "unknown" if found is None else ", ".join(found) or "none"
    return Guard(name=name, have=have, need="none", passes=found == ())


def _reasonless(name: str, reason: str | None, *, fine: str) -> Guard:
    have = "unknown" if reason is None else reason or fine
    return Guard(name=name, have=have, need=fine, passes=reason == "")


def _at_least(name: str, count: int | None, least: int) -> Guard:
    have = "unknown" if count is None else str(count)
    return Guard(
        name=name,
        have=have,
        need=f"{least} or more",
        passes=count is not None and count >= least,
    )


GUARDS: Final[Mapping[Transition, tuple[Callable[[Facts], Guard], ...]]] = {
    Transition.CREATE: (_host, _contract, _tables, _target),
    Transition.CANCEL: (),
    Transition.CANARY: (_contract, _origin),
    Transition.CUTOVER: (_contract, _migrations, _own, _doors),
    # Nothing that is not needed for it stands in the way back.
    Transition.ROLLBACK: (_migrations,),
    Transition.RETIRE: (_own, _doors),
}

"""A module's declaration: the one object from which its boundary is derived and checked."""

from __future__ import annotations

from dataclasses import dataclass

from modules.platform.contracts.messages import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """A rule of the module's data. ``broken`` is a query of its schema: the keys, as one column of
    text, of what breaks the rule. It may read a whole table, and is read only now and then.
    """

    name: str
    broken: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """What a module is, whom it calls and what it says and hears.

    ``port`` is its own Protocol; ``calls`` are the ports of other modules that it uses;
    ``invariants`` are watched on both sides while it is moved.
    """

    name: str
    purpose: str
    owner: str
    port: type
    calls: tuple[type, ...] = ()
    publishes: tuple[type[Event], ...] = ()
    consumes: tuple[type[Event], ...] = ()
    extractable: bool = False
    invariants: tuple[Invariant, ...] = ()

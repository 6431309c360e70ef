"""Synchronous calls must not run in a circle: one slow module would stop all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from modules.platform.boundaries.declarations import Declaration
from modules.platform.boundaries.violations import Violation


def check_cycles(declarations: Mapping[str, Declaration]) -> Iterator[Violation]:
    """One violation for a circle, if there is any; the next shows when it is gone."""
    circle = find_cycle({name: one.called for name, one in declarations.items()})
    if circle:
        first = declarations[circle[0]]
        yield Violation(
            path=first.path,
            line=first.line("calls"),
            rule="call-cycle",
            fact=f"synchronous calls run in a circle: {' -> '.join(circle)}",
            way_out="turn one of these calls into an event that the other hears",
        )


def find_cycle(calls: Mapping[str, frozenset[str]]) -> Sequence[str]:
    """A circle of callers, first and last the same, starting at the smallest name; or ()."""
    try:
        TopologicalSorter(calls).prepare()
    except CycleError as error:
        # graphlib lists each node before the one that depends on it: calls run the other way.
        circle = list(reversed(error.args[1]))[:-1]
        start = circle.index(min(circle))
        return (*circle[start:], *circle[:start], circle[start])
    return ()

"""Tables for the admin's pages: headers and rows of plain values, bounded in length."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modules.platform.messaging import status, tail
from modules.platform.messaging.database import rows

LIMIT = 100  # rows per module

_LETTERS = """
SELECT id, source, state, type, key, position, attempts, next_at, place, right(error, 600)
FROM bus_parked
WHERE state <> 'resolved' AND (%s = '' OR fingerprint = %s) AND (%s = '' OR key = %s)
ORDER BY source, part, position LIMIT %s
"""
_TIMERS = """
SELECT type, key, state, due_at, attempts, payload::text, right(error, 300) FROM bus_timer
ORDER BY state = 'due', due_at LIMIT %s
"""
_CHANGES = (
    "SELECT at, actor, verb, target, reason, changed FROM bus_audit ORDER BY id DESC LIMIT %s"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A table. ``values`` name its rows for actions, where there are any."""

    headers: list[str]
    rows: list[list[Any]]
    values: list[str] = field(default_factory=list)


def subscriptions(modules: tuple[str, ...]) -> Listing:
    """One row per source and consumer."""
    found = [one for module in modules for one in status.subscriptions(module)]
    return Listing(
        headers=["from", "to", "state", "lag (events)", "lag (s)", "in flight", "resends", "types"],
        rows=[
            [
                one.source,
                one.consumer,
                one.state,
                one.lag_rows,
                one.lag_seconds,
                one.in_flight,
                one.resends,
                ", ".join(one.types),
            ]
            for one in found
        ],
    )


def letter_groups(modules: tuple[str, ...]) -> Listing:
    """Failed events by fingerprint; what waits behind them is counted in its own row."""
    found = [group for module in modules for group in status.letter_groups(module)]
    return Listing(
        headers=["to", "from", "state", "events", "keys", "type", "where", "last", "fingerprint"],
        rows=[
            [
                one.consumer,
                one.source,
                one.state,
                one.count,
                one.keys,
                one.type,
                one.place or "waits behind an event of its key",
                one.last_at,
                one.fingerprint,
            ]
            for one in found
        ],
        values=[f"{one.consumer}|{one.source}|{one.fingerprint}" for one in found],
    )


def letters(modules: tuple[str, ...], fingerprint: str, key: str) -> Listing:
    """Single parked events of one fingerprint or key."""
    given = [fingerprint, fingerprint, key, key, LIMIT]
    found = [(module, *one) for module in modules for one in rows(module, _LETTERS, given)]
    return Listing(
        headers=[
            "to",
            "from",
            "state",
            "type",
            "key",
            "position",
            "attempts",
            "next",
            "where",
            "error",
        ],
        rows=[[one[0], *one[2:]] for one in found],
        values=[f"{one[0]}#{one[1]}" for one in found],
    )


def timers(modules: tuple[str, ...]) -> Listing:
    """Given up ones first, then by time."""
    found = [[module, *one] for module in modules for one in rows(module, _TIMERS, [LIMIT])]
    return Listing(
        headers=["module", "type", "key", "state", "due", "attempts", "payload", "error"],
        rows=found,
    )


def events(modules: tuple[str, ...], key: str | None) -> Listing:
    """The latest of each module, or the story of one key."""
    lines = [line for module in modules for line in tail.last(module, LIMIT, key)]
    lines.sort(key=lambda line: line.at, reverse=key is None)
    return Listing(
        headers=["at", "module", "position", "type", "key", "data", "headers"],
        rows=[
            [one.at, one.module, one.position, one.type, one.key, one.data, one.headers or ""]
            for one in lines
        ],
    )


def changes(modules: tuple[str, ...]) -> Listing:
    """Changes by hand, the latest first."""
    found = [[module, *one] for module in modules for one in rows(module, _CHANGES, [LIMIT])]
    found.sort(key=lambda one: one[1], reverse=True)
    return Listing(
        headers=["module", "at", "who", "what", "on", "why", "changed"],
        rows=found,
    )

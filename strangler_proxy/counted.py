"""What has been counted, as it travels between processes: a snapshot, mergeable with others.

Apart from ``metrics``, which may be compiled: msgspec reads these classes' annotations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct


class Event(StrEnum):
    """What is counted beside requests. ``FAMILIES`` says with which labels."""

    RETRIED = "retries"
    RETRY_BUDGET_EXHAUSTED = "retry_budget_exhausted"
    BREAKER_OPENED = "breaker_opened"
    EJECTED = "ejections"
    HEALTH_CHANGED = "health_changes"
    MIRRORED = "mirrored_requests"
    CONFIRMED = "mirror_confirmations"
    CACHED = "cache_lookups"
    HELD = "held_commands"
    MOVED = "moved_answers"
    REFUSED = "refusals"
    FELL_BACK = "fallbacks"
    CONNECTION_ACCEPTED = "connections_accepted"
    CONNECTION_CLOSED = "connections_closed"
    TABLE_SWAPPED = "table_swaps"
    RELOAD_REFUSED = "reloads_refused"
    KEYS_REFRESH_FAILED = "keys_refresh_failed"
    SHARED_LIMITS_FAILED = "shared_limits_failed"
    UNSHAPED = "unshaped_answers"
    LOG_LINES_DROPPED = "access_log_lines_dropped"


@dataclass(frozen=True, slots=True)
class Family:
    """What a counter means and the names of its labels, in the order ``count`` takes them."""

    meaning: str
    labels: tuple[str, ...] = ()


FAMILIES: dict[Event, Family] = {
    Event.RETRIED: Family("Attempts after the first.", ("upstream", "reason")),
    Event.RETRY_BUDGET_EXHAUSTED: Family("Retries the budget forbade.", ("upstream",)),
    Event.BREAKER_OPENED: Family("Times an instance's breaker opened.", ("upstream",)),
    Event.EJECTED: Family("Times an instance was ejected as an outlier.", ("upstream",)),
    Event.HEALTH_CHANGED: Family("Times health checks changed their mind.", ("upstream", "to")),
    Event.MIRRORED: Family("Copies: sent, dropped or failed.", ("upstream", "result")),
    Event.CONFIRMED: Family(
        "Times both were asked again because their answers differed.", ("upstream", "result")
    ),
    Event.CACHED: Family("Cache look-ups: hit, miss, stale...", ("route", "result")),
    Event.HELD: Family(
        "Commands held while an authority moved: held, resent...", ("capability", "result")
    ),
    Event.MOVED: Family("Answers that said the authority had moved.", ("capability",)),
    Event.REFUSED: Family("Requests answered here with a problem, by its code.", ("code",)),
    Event.FELL_BACK: Family("Fallback answers used.", ("route", "kind")),
    Event.CONNECTION_ACCEPTED: Family("Client connections accepted.", ("listener",)),
    Event.CONNECTION_CLOSED: Family("Client connections closed.", ("listener", "reason")),
    Event.UNSHAPED: Family(
        "Answers that rules were to change and had to leave: coded, too_large or unreadable.",
        ("route", "reason"),
    ),
    Event.TABLE_SWAPPED: Family("Routing tables put in force."),
    Event.RELOAD_REFUSED: Family("Routing tables refused; the old one stayed."),
    Event.KEYS_REFRESH_FAILED: Family("Times the published keys could not be read."),
    Event.SHARED_LIMITS_FAILED: Family("Shared limits asked in vain; local ones stood in."),
    Event.LOG_LINES_DROPPED: Family("Access log lines dropped because nobody read them."),
}


class Served(Struct, array_like=True, frozen=True):
    """Requests of one route answered by one upstream ("" is this process) with one status."""

    route: str
    upstream: str
    status: str
    seconds: float
    bytes_in: int
    bytes_out: int
    buckets: tuple[int, ...]


class Tally(Struct, array_like=True, frozen=True):
    """How often an event happened with these labels."""

    event: Event
    labels: tuple[str, ...]
    value: int


class Snapshot(Struct, frozen=True):
    """Everything counted in a process, or in several when merged."""

    served: tuple[Served, ...] = ()
    tallies: tuple[Tally, ...] = ()

    def connections(self) -> dict[str, int]:
        """Open client connections by listener: those accepted less those closed."""
        signs = {Event.CONNECTION_ACCEPTED: 1, Event.CONNECTION_CLOSED: -1}
        found: dict[str, int] = {}
        for tally in self.tallies:
            if sign := signs.get(tally.event):
                found[tally.labels[0]] = found.get(tally.labels[0], 0) + sign * tally.value
        return found

    def of_the_dead(self) -> Snapshot:
        """The same of a process that has ended: what it had open is closed."""
        closed = tuple(
            Tally(Event.CONNECTION_CLOSED, (listener, "worker_ended"), count)
            for listener, count in self.connections().items()
            if count
        )
        return merge([self, Snapshot((), closed)])


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """One snapshot of all: what has the same names is added up."""
    served: dict[tuple[str, str, str], Served] = {}
    tallies: dict[tuple[str, ...], Tally] = {}
    for snapshot in snapshots:
        for one in snapshot.served:
            key = (one.route, one.upstream, one.status)
            served[key] = _sum(served[key], one) if key in served else one
        for tally in snapshot.tallies:
            name = (tally.event, *tally.labels)
            before = tallies[name].value if name in tallies else 0
            tallies[name] = Tally(tally.event, tally.labels, before + tally.value)
    return Snapshot(tuple(served.values()), tuple(tallies.values()))


def _sum(left: Served, right: Served) -> Served:
    return Served(
        left.route,
        left.upstream,
        left.status,
        left.seconds + right.seconds,
        left.bytes_in + right.bytes_in,
        left.bytes_out + right.bytes_out,
        tuple(map(int.__add__, left.buckets, right.buckets)),
    )

"""What a plan says of one module: plain values, each from a source that is named."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place in the code. ``fact`` says what is there."""

    path: str
    line: int
    fact: str

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What one module has with another. ``sites`` are where the code does it; none: declared
    only.
    """

    module: str
    name: str
    sites: tuple[Site, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Calls and events, in and out, as declared and as the code has them."""

    calls_in: tuple[Link, ...] = ()
    calls_out: tuple[Link, ...] = ()
    events_in: tuple[Link, ...] = ()
    events_out: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What a network in between would change. ``unrepeatable``: operations without a key."""

    links: Links
    chatty: tuple[Site, ...] = ()
    in_transaction: tuple[Site, ...] = ()
    unrepeatable: tuple[Site, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table. ``rows`` are estimated by PostgreSQL; ``written`` counts rows since ``Data``'s
    ``since``; ``faults`` are why it could not be carried.
    """

    name: str
    rows: int
    size: int  # bytes, with indexes
    written: int
    parts: int = 0  # partitions
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The module's schema. ``rate`` is rows written a second, over ``seconds``."""

    tables: tuple[Table, ...]
    rate: float
    seconds: float
    round_trip: float  # seconds, to the database and back
    oldest: float  # seconds, of the oldest transaction that holds a lock in the schema

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.tables)

    @property
    def size(self) -> int:
        return sum(one.size for one in self.tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the running host has counted since it started; empty when it was not asked."""

    requests: int = 0
    events_in: int = 0
    events_out: int = 0
    calls: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One module: what there is, what stands in the way, and how long writes would wait."""

    module: str
    owner: str
    phase: str
    code: Code
    data: Data
    seen: Seen
    blockers: tuple[Site, ...]
    pause_ms: float

    @property
    def is_ready(self) -> bool:
        return not self.blockers


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """Best candidate first. ``notes`` say what could not be looked at."""

    plans: tuple[Plan, ...]
    notes: tuple[str, ...] = ()

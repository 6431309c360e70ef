"""The port of the admin listener: one process, or many workers, behind it.

FleetError
├── RevisionConflict      the table in force is not the one the caller meant to change
├── Unknown               no such upstream or instance
├── NotRegistrable        instances of this upstream do not register here
└── WorkerFailed          a worker did not do what it was told
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from strangler_proxy.config import Document, HeaderName, Method, Registry
from strangler_proxy.discovery.announcement import Announcement
from strangler_proxy.errors import Finding, ProxyError
from strangler_proxy.metrics import Snapshot


class FleetError(ProxyError):
    """The root of what a fleet raises, beside TableRefused."""


class RevisionConflict(FleetError):
    """Somebody else was faster."""

    def __init__(self, expected: int, current: int | None) -> None:
        self.expected = expected
        self.current = current
        super().__init__(f"revision {expected} was meant to be changed, {current} is in force")


class Unknown(FleetError):
    """What was named is not there."""

    def __init__(self, what: str, known: tuple[str, ...] = ()) -> None:
        there = f"; there are {', '.join(known)}" if known else ""
        super().__init__(f"there is no {what}{there}")


class NotRegistrable(FleetError):
    """The upstream gets its instances from elsewhere, or takes no more."""


class WorkerFailed(FleetError):
    """A worker did not answer or could not do it."""


class MemberSnapshot(Struct, kw_only=True):
    """One instance as one worker sees it; ``breaker`` is its state, None without one."""

    address: str
    weight: int
    inflight: int
    healthy: bool
    checked: bool
    draining: bool
    ejected_seconds: float
    breaker: str | None
    consecutive_failures: int
    requests: int
    failed: int
    open: int = 0  # connections
    idle: int = 0  # of these
    role: str | None = None
    version: str | None = None
    contract: str | None = None


class UpstreamSnapshot(Struct, kw_only=True):
    """One upstream as one worker sees it. ``waiting`` are requests in the bulkhead's queue."""

    members: tuple[MemberSnapshot, ...] = ()
    inflight: int = 0
    waiting: int = 0
    panic: bool = False

    @classmethod
    def of(cls, shown: dict[str, Any], announced: Iterable[Announcement] = ()) -> UpstreamSnapshot:
        """From ``Upstream.snapshot`` and from what its instances said of themselves."""
        upstream = msgspec.convert(shown, cls)
        said = {one.address: one for one in announced}
        for member in upstream.members:
            pool = shown["pools"].get(member.address, {})
            member.open, member.idle = pool.get("open", 0), pool.get("idle", 0)
            if one := said.get(member.address):
                member.role, member.version, member.contract = one.role, one.version, one.contract
        return upstream


class WorkerSnapshot(Struct, kw_only=True):
    """One worker process."""

    worker: int
    pid: int
    revision: int
    metrics: Snapshot
    started: float = 0.0  # unix seconds
    draining: bool = False
    cpu_seconds: float = 0.0
    resident_bytes: int = 0
    cache_entries: int = 0
    cache_bytes: int = 0
    upstreams: dict[str, UpstreamSnapshot] = {}


class Accepted(Struct, frozen=True, kw_only=True):
    """``new`` if the instance was not known; silent for ``ttl_seconds``, it is forgotten."""

    new: bool
    ttl_seconds: float


class Question(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that is not sent: where would it go, and why?"""

    target: str
    method: Method = "GET"
    headers: dict[HeaderName, str] = {}
    address: str = "127.0.0.1"
    secure: bool = False


class Fleet(Protocol):
    """What the admin listener reads and changes. Every change reaches all workers or none."""

    def document(self) -> Document | None:
        """The document in force; its ``revision`` is the one in force."""

    def unready(self) -> tuple[str, ...]:
        """Why traffic should not come here ("draining", "no table", "no listener"); or ()."""

    async def apply(self, document: Document, *, expect: int | None) -> int:
        """Put it in force and return its revision (``next_revision``) once every worker has it.

        Raises TableRefused, and RevisionConflict unless ``expect`` is in force or None.
        """

    async def reload(self) -> int:
        """Read the file again. Raises TableRefused, or OSError if it cannot be read."""

    async def snapshots(self) -> list[WorkerSnapshot]:
        """How the workers are; one that does not answer is missing."""

    async def register(self, upstream: str, instance: str, announcement: Announcement) -> Accepted:
        """Take note of an instance. Raises Unknown and NotRegistrable."""

    async def deregister(self, upstream: str, instance: str) -> None:
        """Forget an instance. Raises Unknown and NotRegistrable."""

    async def drain_instance(self, upstream: str, address: str, *, draining: bool) -> None:
        """Send it nothing new, or again. Raises Unknown."""

    async def begin_drain(self) -> None:
        """Stop accepting, finish what is under way, end. Returns at once."""

    async def explain(self, question: Question) -> dict[str, Any]:
        """What ``decide`` says of it, as JSON."""


def registry_of(document: Document | None, upstream: str) -> Registry:
    """Where instances of ``upstream`` register. Raises Unknown and NotRegistrable."""
    upstreams = document.upstreams if document is not None else {}
    if upstream not in upstreams:
        raise Unknown(f"upstream {upstream}", tuple(upstreams))
    registry = upstreams[upstream].registry
    if registry is None or registry.url is not None:
        raise NotRegistrable(
            f"instances of {upstream} do not register here: it would need `registry: {{}}`,"
            " without an url"
        )
    return registry


def next_revision(current: Document | None, document: Document) -> int:
    """The document's own revision if that is higher than the one in force, else one more."""
    if current is None:
        return document.revision
    return max(current.revision + 1, document.revision)


def lowered_epochs(current: Document | None, document: Document) -> tuple[Finding, ...]:
    """Capabilities whose epoch would go down: an authority of the past would answer again."""
    if current is None:
        return ()
    return tuple(
        Finding(
            path=f"$.capabilities.{name}.epoch",
            reason=f"is {after.epoch}, but {before.epoch} is known already; it never goes down",
        )
        for name, before in current.capabilities.items()
        if (after := document.capabilities.get(name)) and after.epoch < before.epoch
    )

"""The Fleet of the admin listener over its workers: every change reaches all of them or none.

A worker in this process and one in another look the same here (``Hand``). What a worker that
starts later must know is kept here: the table, registrations, instances that are drained.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from strangler_proxy.config import Document
from strangler_proxy.control.fleet import (
    Accepted,
    NotRegistrable,
    Question,
    RevisionConflict,
    Unknown,
    WorkerFailed,
    WorkerSnapshot,
    lowered_epochs,
    next_revision,
    registry_of,
)
from strangler_proxy.discovery.announcement import Announcement
from strangler_proxy.discovery.registrations import Registrations
from strangler_proxy.errors import TableRefused
from strangler_proxy.metrics import Event, Metrics, merge
from strangler_proxy.wire.handover import HANDSHAKE_SECONDS
from strangler_proxy.workers.orders import (
    AnyOrder,
    Apply,
    Deregister,
    DrainInstance,
    Explain,
    Leave,
    Register,
    ReopenLog,
    Result,
    TakeSnapshot,
    Welcome,
)

END_SECONDS = 5.0  # beyond drain_seconds, before a worker is killed
log = logging.getLogger(__name__)


class Hand(Protocol):
    """One worker, wherever it runs."""

    number: int
    ready: bool  # it serves, or finishes what it began to serve

    async def ask(self, order: AnyOrder, shape: type[Result]) -> Result:
        """Have it obey. Raises TableRefused, and WorkerFailed if it cannot or does not answer."""

    async def end(self, seconds: float, grace: float) -> None:
        """Let it drain for ``seconds``; ``grace`` later it is killed. Returns when it has ended."""

    def replace(self) -> None:
        """It did not do what the others did: begin anew."""


class Crew:
    """Implements ``Fleet``. ``check`` raises TableRefused for documents that cannot be used.

    ``load`` reads the document's file; ``save`` keeps a document that is in force now.
    """

    def __init__(
        self,
        document: Document,
        *,
        check: Callable[[Document], object],
        load: Callable[[], Document],
        save: Callable[[Document], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hands: Sequence[Hand] = ()
        self.ended = asyncio.Event()  # all have drained
        self.hand_over: Callable[[], bool] = lambda: False  # whether others listen here, too
        self.close_addresses: Callable[[], None] = lambda: None
        self.deal_out_evenly: Callable[[], None] = lambda: None  # when others have gone
        self._document = document
        self._check = check
        self._load = load
        self._save = save
        self._clock = clock
        self._lock = asyncio.Lock()
        self._draining: asyncio.Task[None] | None = None
        self._registrations = Registrations()
        self._drained: set[tuple[str, str]] = set()
        self._metrics = Metrics()  # of what happens here and not in a worker

    # ------------------------------------------------------------ for workers that start

    def welcome(self, worker: int, sockets: tuple[int, ...] = ()) -> Welcome:
        """All that a new worker must know."""
        now = self._clock()
        for upstream, rules in self._document.upstreams.items():
            if rules.registry is not None:
                self._registrations.expire(upstream, rules.registry.ttl_seconds, now)
        return Welcome(
            worker=worker,
            document=self._document,
            sockets=sockets,
            registrations=self._registrations.dump(),
            drained=tuple(sorted(self._drained)),
        )

    async def catch_up(self, hand: Hand, welcome: Welcome) -> None:
        """Tell a worker what has changed since its welcome; it is ready when this returns."""
        async with self._lock:
            if welcome.document is not self._document:
                await hand.ask(Apply(self._document), type(None))
            for instance in self._drained.symmetric_difference(welcome.drained):
                order = DrainInstance(*instance, draining=instance in self._drained)
                await hand.ask(order, bool)
            hand.ready = True

    # ------------------------------------------------------------ reading

    def document(self) -> Document:
        return self._document

    def unready(self) -> tuple[str, ...]:
        if self._draining is not None:
            return ("draining",)
        return () if any(hand.ready for hand in self.hands) else ("no listener",)

    async def snapshots(self) -> list[WorkerSnapshot]:
        found = await self._ask_all(TakeSnapshot(), WorkerSnapshot)
        snapshots = [one for one in found if isinstance(one, WorkerSnapshot)]
        if snapshots:
            first = snapshots[0]
            first.metrics = merge([first.metrics, self._metrics.snapshot()])
        return snapshots

    async def explain(self, question: Question) -> dict[str, Any]:
        for hand in self.hands:
            if hand.ready:
                return await hand.ask(Explain(question), dict[str, Any])
        raise WorkerFailed("no worker serves at the moment")

    # ------------------------------------------------------------ the table

    async def apply(self, document: Document, *, expect: int | None) -> int:
        async with self._lock:
            old = self._document
            if expect not in (None, old.revision):
                raise RevisionConflict(expect or 0, old.revision)
            new = replace(document, revision=next_revision(old, document))
            try:
                self._check(new)
                self._document = new  # for workers that begin from now on
                await self._apply_everywhere(new, old)
            except TableRefused:
                self._document = old
                self._metrics.count(Event.RELOAD_REFUSED)
                raise
            # The disk must not keep the data path waiting that may run in this very process.
            await asyncio.to_thread(self._keep, new)
            return new.revision

    async def reload(self) -> int:
        try:
            document = self._load()
            if replace(document, revision=self._document.revision) == self._document:
                return self._document.revision
            # The epochs of a file that nobody has kept up to date would bring back authorities
            # of the past.
            if lowered := lowered_epochs(self._document, document):
                raise TableRefused(lowered, "the file")
        except (TableRefused, OSError):
            self._metrics.count(Event.RELOAD_REFUSED)
            raise
        return await self.apply(document, expect=None)

    def _keep(self, document: Document) -> None:
        try:
            self._save(document)
        except OSError as error:
            log.error("revision %d is in force but could not be kept: %s", document.revision, error)

    async def _apply_everywhere(self, new: Document, old: Document) -> None:
        hands = [hand for hand in self.hands if hand.ready]
        results = await self._ask_each(hands, Apply(new), type(None))
        pairs = list(zip(hands, results, strict=True))
        for hand, result in pairs:
            if isinstance(result, WorkerFailed):
                log.error("worker %d does not take the table: %s", hand.number, result)
                hand.replace()  # it begins anew with the document in force
        refused = [one for one in results if isinstance(one, TableRefused)]
        if refused:  # what the check cannot see, such as certificates that this user cannot read
            back = [hand for hand, result in pairs if result is None]
            await self._ask_each(back, Apply(old), type(None))
            raise refused[0]

    # ------------------------------------------------------------ instances

    async def register(self, upstream: str, instance: str, announcement: Announcement) -> Accepted:
        registry = registry_of(self._document, upstream)
        try:
            new = self._registrations.register(upstream, instance, announcement, self._clock())
        except ValueError as error:
            raise NotRegistrable(str(error)) from error
        await self._ask_all(Register(upstream, instance, announcement), type(None))
        return Accepted(new=new, ttl_seconds=registry.ttl_seconds)

    async def deregister(self, upstream: str, instance: str) -> None:
        registry_of(self._document, upstream)
        if not self._registrations.deregister(upstream, instance):
            raise Unknown(f"instance {instance} of {upstream}")
        await self._ask_all(Deregister(upstream, instance), type(None))

    async def drain_instance(self, upstream: str, address: str, *, draining: bool) -> None:
        known = await self._ask_all(DrainInstance(upstream, address, draining), bool)
        if True not in known:
            raise Unknown(f"instance {address} of {upstream}")
        change = self._drained.add if draining else self._drained.discard
        change((upstream, address))

    # ------------------------------------------------------------ all of it

    async def reopen_logs(self) -> None:
        """The access log was renamed."""
        await self._ask_all(ReopenLog(), type(None))

    async def begin_drain(self) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        """Whatever fails in it: who waits for the end must not wait for ever."""
        try:
            await self._drain_all()
        except Exception:
            log.exception("the drain failed; the end comes all the same")
        finally:
            self.ended.set()

    async def _drain_all(self) -> None:
        if self.hand_over():
            await asyncio.sleep(HANDSHAKE_SECONDS)
            await self._ask_all(Leave(), type(None))
        # With others: all at once, now that the workers have closed their copies. With none: before
        # the workers do, or connections would wait in ours for somebody to accept them.
        self.close_addresses()
        seconds = self._document.drain_seconds
        await asyncio.gather(*(self._end(hand, seconds) for hand in self.hands))

    async def _end(self, hand: Hand, seconds: float) -> None:
        try:
            await hand.end(seconds, END_SECONDS)
        except Exception:  # the others are still to be waited for
            log.exception("worker %d could not be drained", hand.number)

    async def _ask_all(self, order: AnyOrder, shape: type[Result]) -> list[Result | BaseException]:
        """A worker that fails is logged; the others count."""
        hands = [hand for hand in self.hands if hand.ready]
        results = await self._ask_each(hands, order, shape)
        for hand, result in zip(hands, results, strict=True):
            if isinstance(result, BaseException):
                log.warning("worker %d, %s: %s", hand.number, type(order).__name__, result)
        return results

    async def _ask_each(
        self, hands: Sequence[Hand], order: AnyOrder, shape: type[Result]
    ) -> list[Result | BaseException]:
        asked = (hand.ask(order, shape) for hand in hands)
        return await asyncio.gather(*asked, return_exceptions=True)

"""All upstreams of a process, with the tasks that find and check their instances."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from strangler_proxy import config
from strangler_proxy.balance import Balancer
from strangler_proxy.discovery.polling import Source
from strangler_proxy.discovery.registrations import Registrations
from strangler_proxy.discovery.sources import source_for
from strangler_proxy.member import Member
from strangler_proxy.metrics import Event, Metrics
from strangler_proxy.upstream import Upstream

if TYPE_CHECKING:
    from strangler_proxy.health import Checker

RETIRED_SECONDS = 5.0  # in which requests of the table before may still begin at its upstreams


class Running:
    """An upstream, the document's part that made it, and its tasks."""

    __slots__ = ("checker", "drained", "found", "rules", "source", "tasks", "upstream")

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.rules = upstream.config
        self.found: Sequence[config.Instance] = self.rules.instances
        self.drained: set[str] = set()  # addresses that an operator takes nothing new to
        self.checker: Checker | None = None
        self.source: Source | None = None
        self.tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.tasks = []
        self.checker = None


class Upstreams:
    """Takes over documents: what stays the same keeps its connections, counts and states."""

    def __init__(self, *, clock: Callable[[], float], rng: random.Random, metrics: Metrics) -> None:
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._running: dict[str, Running] = {}
        self._retired: list[tuple[float, Upstream]] = []  # and until when they are kept
        self.registrations = Registrations()

    def prepare(self, wanted: Mapping[str, config.Upstream]) -> dict[str, Running]:
        """What ``configure`` must make anew. Changes nothing yet; raises OSError for files."""
        return {
            name: self._made(name, rules)
            for name, rules in wanted.items()
            if name not in self._running or not _same_connections(self._running[name].rules, rules)
        }

    def configure(
        self, wanted: Mapping[str, config.Upstream], made: Mapping[str, Running]
    ) -> dict[str, Upstream]:
        """Bring all upstreams to what the document says; returns them by name. ``made``: what
        ``prepare`` gave for the same."""
        for name in self._running.keys() - wanted.keys():
            self._retire(self._running.pop(name))
        for name, rules in wanted.items():
            if name in made:
                if name in self._running:
                    self._retire(self._running[name])
                self._running[name] = made[name]
                self._publish(made[name], rules.instances)
                self._start_tasks(made[name])
            elif self._running[name].rules != rules:
                self._change(self._running[name], rules)
        return {name: running.upstream for name, running in self._running.items()}

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """How all stand, for people."""
        now = self._clock()
        return {name: one.upstream.snapshot(now) for name, one in self._running.items()}

    def drain(self, upstream: str, address: str, *, draining: bool) -> bool:
        """Send an instance nothing new, or again; also one that is found later. False if there
        is none at that address now."""
        running = self._running.get(upstream)
        if running is None:
            return False
        if draining:
            running.drained.add(address)
        else:
            running.drained.discard(address)
        self._publish(running, running.found)
        return address in {one.address for one in running.found}

    def sweep(self, now: float) -> None:
        for running in self._running.values():
            running.upstream.sweep(now)
        if self._retired:
            self._retired = [one for one in self._retired if not _may_go(*one, now)]

    def stop(self) -> None:
        """End all tasks and close all connections, those of copies and renewals under way as well:
        their answers would come while the loop closes, and a connection lost then stays open.
        """
        for running in self._running.values():
            self._retire(running)
        for _, upstream in self._retired:
            upstream.abort()
            upstream.balancer.update((), self._clock())
        self._running, self._retired = {}, []

    def _made(self, name: str, rules: config.Upstream) -> Running:
        balancer = Balancer(
            name,
            rules,
            on_gone=_close_pool,
            on_event=lambda event: self._metrics.count(event, name),
            rng=self._rng,
            clock=self._clock,
        )
        return Running(Upstream(name, rules, balancer, self._clock))

    def _change(self, running: Running, rules: config.Upstream) -> None:
        """The same instances are reached in the same way; only how they are judged differs."""
        running.stop()
        running.rules = running.upstream.config = rules
        balancer = running.upstream.balancer
        balancer.configure(rules, self._clock())
        if rules.instances:
            self._publish(running, rules.instances)
        self._start_tasks(running)

    def _start_tasks(self, running: Running) -> None:
        upstream, rules = running.upstream, running.rules
        if rules.health is not None:
            from strangler_proxy.health import Checker  # httpx: for who uses it

            running.checker = Checker(
                upstream.balancer,
                rules.health,
                rng=self._rng,
                clock=self._clock,
                tls=rules.tls,
                on_change=lambda member, healthy, reason: self._metrics.count(
                    Event.HEALTH_CHANGED, upstream.name, "healthy" if healthy else "unhealthy"
                ),
            )
            running.start(running.checker.run())
        if not rules.instances:
            running.source = source_for(
                upstream.name, rules, self.registrations, rng=self._rng, clock=self._clock
            )
            running.start(running.source.run(lambda found: self._publish(running, found)))

    def _publish(self, running: Running, found: Sequence[config.Instance]) -> None:
        running.found = found
        taken = [one for one in found if one.address not in running.drained]
        running.upstream.balancer.update(taken, self._clock())
        if running.checker is not None:
            running.checker.wake()

    def _retire(self, running: Running) -> None:
        """The table in force does not have it. What waits for it, and what is tried again, was
        decided by the one before."""
        running.stop()
        self._retired.append((self._clock() + RETIRED_SECONDS, running.upstream))


def _same_connections(old: config.Upstream, new: config.Upstream) -> bool:
    return old.tls == new.tls and old.connections == new.connections


def _may_go(until: float, upstream: Upstream, now: float) -> bool:
    """Whether nobody needs it any more; then its connections close as soon as they are idle."""
    upstream.sweep(now)
    if now < until or upstream.inflight or upstream.waiting:
        return False
    upstream.balancer.update((), now)
    return True


def _close_pool(member: Member) -> None:
    if member.pool is not None:
        member.pool.close()

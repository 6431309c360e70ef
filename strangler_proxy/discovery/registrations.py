"""Instances that register at the admin listener of this process, and are forgotten in silence.

An instance registers, and does so again or sends a heartbeat well within ``ttl_seconds`` of the
upstream; a third of it leaves room for two that get lost.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from strangler_proxy import config
from strangler_proxy.discovery.announcement import Announcement, to_instances
from strangler_proxy.discovery.polling import Clock, Publish, State

ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
MOST = 1_000  # instances of one upstream; more is a service that makes up ids

_Dump = dict[str, dict[str, Announcement]]


class _Registration:
    __slots__ = ("announcement", "seen_at")

    def __init__(self, announcement: Announcement, seen_at: float) -> None:
        self.announcement = announcement
        self.seen_at = seen_at


class Registrations:
    """Who has registered, by upstream and id. Of one process; ``dump`` and ``restore`` carry it
    over a restart, which would else leave upstreams empty until the next heartbeats.
    """

    def __init__(self) -> None:
        self._upstreams: dict[str, dict[str, _Registration]] = {}
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    def register(self, upstream: str, id: str, announcement: Announcement, now: float) -> bool:
        """Add or replace; counts as a heartbeat. True if ``id`` is new.

        Raises ValueError for an id that is none and for one too many.
        """
        if not ID.fullmatch(id):
            raise ValueError("an id has 1 to 128 of the characters A-Z a-z 0-9 . _ : -")
        known = self._upstreams.setdefault(upstream, {})
        before = known.get(id)
        if before is None and len(known) >= MOST:
            raise ValueError(f"{upstream} has {MOST} instances; no more can register")
        known[id] = _Registration(announcement, now)
        if before is None or before.announcement != announcement:
            self._changed(upstream)
        return before is None

    def heartbeat(self, upstream: str, id: str, now: float) -> bool:
        """Still there. False if ``id`` is not known (any more): it must register again."""
        registration = self._upstreams.get(upstream, {}).get(id)
        if registration is None:
            return False
        registration.seen_at = now
        return True

    def deregister(self, upstream: str, id: str) -> bool:
        """Gone by its own word. False if it was not known."""
        if self._upstreams.get(upstream, {}).pop(id, None) is None:
            return False
        self._changed(upstream)
        return True

    def expire(self, upstream: str, ttl: float, now: float) -> float | None:
        """Forget who was silent for ``ttl`` seconds. Returns when the next one may have to go."""
        known = self._upstreams.get(upstream, {})
        silent = [id for id, one in known.items() if now - one.seen_at >= ttl]
        for id in silent:
            del known[id]
        if silent:
            self._changed(upstream)
        return min((one.seen_at + ttl for one in known.values()), default=None)

    def announced(self, upstream: str) -> list[Announcement]:
        """Those of one upstream, the first registered first."""
        return [one.announcement for one in self._upstreams.get(upstream, {}).values()]

    def listing(self, upstream: str, now: float) -> list[dict[str, Any]]:
        """For people: id, seconds of silence, and what each said."""
        known = self._upstreams.get(upstream, {})
        return [
            {"id": id, "silent_seconds": now - one.seen_at, **msgspec.to_builtins(one.announcement)}
            for id, one in known.items()
        ]

    def listen(self, upstream: str, call: Callable[[], None]) -> Callable[[], None]:
        """``call`` at each change of ``upstream``; the returned function ends it."""
        listeners = self._listeners.setdefault(upstream, [])
        listeners.append(call)
        return lambda: listeners.remove(call)

    def dump(self) -> bytes:
        """All of it, as JSON; times are not in it."""
        return msgspec.json.encode(
            {
                upstream: {id: one.announcement for id, one in known.items()}
                for upstream, known in self._upstreams.items()
            }
        )

    def restore(self, dump: bytes, now: float) -> None:
        """Take over a dump; each has one ttl to send a heartbeat. Raises ValueError."""
        try:
            upstreams = msgspec.json.decode(dump, type=_Dump)
        except ValueError as error:
            raise ValueError(f"stored registrations cannot be read: {error}") from error
        for upstream, known in upstreams.items():
            for id, announcement in known.items():
                self.register(upstream, id, announcement, now)

    def _changed(self, upstream: str) -> None:
        for call in self._listeners.get(upstream, ()):
            call()


class Registered:
    """The source of one upstream's registered instances; forgets the silent ones."""

    def __init__(
        self,
        upstream: str,
        rules: config.Registry,
        registrations: Registrations,
        *,
        clock: Clock,
    ) -> None:
        self.state = State(upstream, "registrations", clock)
        self._rules = rules
        self._registrations = registrations
        self._clock = clock

    async def run(self, publish: Publish) -> None:
        """Publishes what changed, until it is cancelled."""
        upstream = self.state.upstream
        changed = asyncio.Event()
        unlisten = self._registrations.listen(upstream, changed.set)
        try:
            while True:
                now = self._clock()
                due = self._registrations.expire(upstream, self._rules.ttl_seconds, now)
                changed.clear()
                announced = self._registrations.announced(upstream)
                self.state.succeeded(to_instances(announced, self._rules.role), publish)
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if due is None else due - now):
                        await changed.wait()
        finally:
            unlisten()

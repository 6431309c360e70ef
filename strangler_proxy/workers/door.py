"""The data path as a worker: a Proxy that obeys orders."""

from __future__ import annotations

import logging
import os
import resource
import socket
import time
from pathlib import Path
from typing import Any

from strangler_proxy.access_log.log import AccessLog
from strangler_proxy.app import Proxy
from strangler_proxy.config import Document
from strangler_proxy.control.fleet import Question, UpstreamSnapshot, WorkerSnapshot
from strangler_proxy.discovery.announcement import Announcement
from strangler_proxy.explain import explain, plain_request
from strangler_proxy.metrics import Event
from strangler_proxy.mirror.recording import Recorder
from strangler_proxy.table import compile_table
from strangler_proxy.wire.handover import (
    deal_out_evenly,
    leave_to_others,
    listening_at,
    prepare_to_close,
)
from strangler_proxy.workers.orders import Welcome

log = logging.getLogger(__name__)


class Door:
    """Implements ``Worker``."""

    def __init__(self) -> None:
        self._number = 0
        self._started = time.time()
        self._earlier: list[frozenset[int]] = []  # who listened at our addresses before us
        self._proxy: Proxy

    async def start(self, welcome: Welcome) -> None:
        document = welcome.document
        self._number = welcome.worker
        recorder = None
        if document.state:
            recorder = Recorder(Path(document.state) / "pairs", document.recording)
        proxy = self._proxy = Proxy(recorder=recorder)
        proxy.access_log = AccessLog.open(
            document.access_log,
            lambda lines: proxy.metrics.count(Event.LOG_LINES_DROPPED, by=lines),
        )
        proxy.upstreams.registrations.restore(welcome.registrations, proxy.time())
        proxy.apply(compile_table(document))
        for upstream, address in welcome.drained:
            self.drain_instance(upstream, address, draining=True)
        sockets = [socket.socket(fileno=fd) for fd in welcome.sockets]
        if not sockets:  # they are our own
            self._earlier = [listening_at(one.address) for one in document.listen]
        await proxy.serve(document.listen, sockets)

    async def apply(self, document: Document) -> None:
        self._proxy.apply(compile_table(document))

    def snapshot(self) -> WorkerSnapshot:
        return worker_snapshot(self._proxy, self._number, self._started)

    def register(self, upstream: str, instance: str, announcement: Announcement) -> None:
        proxy = self._proxy
        proxy.upstreams.registrations.register(upstream, instance, announcement, proxy.time())

    def deregister(self, upstream: str, instance: str) -> None:
        self._proxy.upstreams.registrations.deregister(upstream, instance)

    def drain_instance(self, upstream: str, address: str, *, draining: bool) -> bool:
        if upstream not in self._proxy.state.upstreams:
            return False
        return self._proxy.upstreams.drain(upstream, address, draining=draining)

    def explain(self, question: Question) -> dict[str, Any]:
        request = plain_request(
            question.method,
            question.target,
            [f"{name}: {value}" for name, value in question.headers.items()],
            address=question.address,
            secure=question.secure,
        )
        state = self._proxy.state
        return explain(state.table, request, time.time(), identify=state.identify).members()

    def reopen_log(self) -> None:
        if self._proxy.access_log is not None:
            self._proxy.access_log.reopen()

    def hand_over(self) -> bool:
        """Leave the addresses to another process that listens there; False if nobody does."""
        left = [leave_to_others([one], earlier) for one, earlier in self._own()]
        return any(left)

    def deal_out_evenly(self) -> None:
        """Where nobody shares the address with us any more, nothing of that is to be left."""
        for one, _ in self._own():
            deal_out_evenly([one])

    async def leave(self) -> None:
        for one, earlier in self._own():
            prepare_to_close([one], earlier)
        await self._proxy.leave()

    def _own(self) -> list[tuple[socket.socket, frozenset[int]]]:
        """The sockets that are not a supervisor's, and who listened there before."""
        return list(zip(self._proxy.listening(), self._earlier, strict=False))

    async def drain(self, seconds: float) -> None:
        await self._proxy.drain(seconds)


def worker_snapshot(proxy: Proxy, number: int, started: float) -> WorkerSnapshot:
    """How this process is."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    registrations = proxy.upstreams.registrations
    memory = proxy.cache.memory if proxy.cache is not None else None
    return WorkerSnapshot(
        worker=number,
        pid=os.getpid(),
        revision=proxy.state.table.revision,
        metrics=proxy.metrics.snapshot(),
        started=started,
        draining=proxy.draining,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        resident_bytes=_resident(),
        cache_entries=memory.entries if memory is not None else 0,
        cache_bytes=memory.size if memory is not None else 0,
        upstreams={
            name: UpstreamSnapshot.of(shown, registrations.announced(name))
            for name, shown in proxy.upstreams.snapshot().items()
        },
    )


def _resident() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()

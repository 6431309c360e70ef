"""A worker process without a data path: says who it is, and misbehaves when asked to.

Run with ``--worker N --control-fd F``, as the supervisor does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import time
from typing import Any

from strangler_proxy.config import Document
from strangler_proxy.control.fleet import Question, WorkerSnapshot
from strangler_proxy.discovery.announcement import Announcement
from strangler_proxy.errors import Finding, TableRefused
from strangler_proxy.metrics import Event, Metrics
from strangler_proxy.workers.link import serve
from strangler_proxy.workers.orders import Welcome


class StandIn:
    """Answers every request with its number, pid, revision and what it was told."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.instances: dict[str, str] = {}
        self.drained: set[str] = set()
        self.servers: list[asyncio.Server] = []
        self.open: set[asyncio.Task[None]] = set()
        self.welcome: Welcome
        self.document: Document

    async def start(self, welcome: Welcome) -> None:
        self.welcome = welcome
        self.document = welcome.document
        self.drained = {address for _, address in welcome.drained}
        known = json.loads(welcome.registrations)
        for instances in known.values():
            self.instances |= {name: one["address"] for name, one in instances.items()}
        if any(route.name == "cannot-begin" for route in welcome.document.routes):
            raise OSError("the certificate cannot be read")
        for fd in welcome.sockets:
            opened = socket.socket(fileno=fd)
            self.servers.append(await asyncio.start_server(self._answer, sock=opened))

    async def apply(self, document: Document) -> None:
        names = [route.name for route in document.routes]
        if f"refused-by-{self.welcome.worker}" in names:
            raise TableRefused([Finding(path="$.routes", reason="not by me", line=9)])
        if f"hangs-{self.welcome.worker}" in names:
            time.sleep(60)
        self.document = document

    def snapshot(self) -> WorkerSnapshot:
        return WorkerSnapshot(
            worker=self.welcome.worker,
            pid=os.getpid(),
            revision=self.document.revision,
            metrics=self.metrics.snapshot(),
        )

    def register(self, upstream: str, instance: str, announcement: Announcement) -> None:
        self.instances[instance] = announcement.address

    def deregister(self, upstream: str, instance: str) -> None:
        del self.instances[instance]

    def drain_instance(self, upstream: str, address: str, *, draining: bool) -> bool:
        if draining:
            self.drained.add(address)
        else:
            self.drained.discard(address)
        return address in self.instances.values()

    def explain(self, question: Question) -> dict[str, Any]:
        return {"target": question.target}

    def reopen_log(self) -> None:
        self.instances["log"] = "opened again"

    async def leave(self) -> None:
        for server in self.servers:
            server.close()

    async def drain(self, seconds: float) -> None:
        await self.leave()
        if self.open:
            await asyncio.wait(self.open, timeout=seconds)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        task.add_done_callback(self.open.discard)
        self.metrics.count(Event.CONNECTION_ACCEPTED, "here")
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        if target == "/die":
            os._exit(3)
        if target == "/slow":
            await asyncio.sleep(0.4)
        self.metrics.observe("any", "", 200, 0.001, 0, 0)
        body = json.dumps(self._state()).encode()
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        await writer.drain()
        writer.close()

    def _state(self) -> dict[str, Any]:
        return {
            "worker": self.welcome.worker,
            "pid": os.getpid(),
            "revision": self.document.revision,
            "instances": self.instances,
            "drained": sorted(self.drained),
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", type=int)
    parser.add_argument("--control-fd", type=int)
    given = parser.parse_args()
    asyncio.run(serve(StandIn(), socket.socket(fileno=given.control_fd)))


if __name__ == "__main__":
    main()

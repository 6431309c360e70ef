"""The upstreams of the examples: they say who they are and what reached them.

    python -m tests.docs.upstream          # monolith on port 9000, orders on 9001, orders-2 on 9002

What is asked of them stands in the query, so that an example shows it: ``?status=503`` is that
answer, ``wait=0.5`` comes so many seconds later, ``header=Name:value`` adds a field, ``body=...``
is the body (JSON if it begins like it), ``show=host,cookie`` tells what these fields were,
``first=2`` does all that for the first two of the same requests, ``only=monolith`` if it is the
one, ``then=503`` is the answer to all but the first, ``events=3`` a stream of three events,
``cut=1`` breaks off in the middle, ``size=100`` is a body of so many bytes. ``/down`` is answered
with 503, ``/late`` half a second later, ``/ill-after-2`` with 503 after two answers,
``/well-after-2`` with 503 twice, and ``/for-NAME`` with 503 unless the host is NAME.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import parse_qs

from tests.proxy.origin import CLOSE, Got, Origin, Step, ok

NAMES = {9000: "monolith", 9001: "orders", 9002: "orders-2"}
PAUSE = 0.5  # seconds between two events


class Upstream:
    """One of them; ``Origin`` calls it with each request."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._seen: Counter[str] = Counter()

    def forget(self) -> None:
        """Count from none again, as for somebody who starts it."""
        self._seen.clear()

    def __call__(self, got: Got) -> Iterator[Step]:
        path, _, query = got.target.partition("?")
        wanted = {name: values[-1] for name, values in parse_qs(query).items()}
        self._seen[got.target] += 1
        count = self._seen[got.target]
        if not self._is_meant(wanted, count):
            wanted = {}
        if count > 1 and "then" in wanted:
            wanted["status"] = wanted["then"]
        if got.headers.get("upgrade"):
            return iter([self._switch(got), CLOSE])
        if "events" in wanted:
            return self._events(int(wanted["events"]))
        return self._answer(got, path, wanted)

    def _is_meant(self, wanted: dict[str, str], count: int) -> bool:
        return wanted.get("only", self.name) == self.name and count <= int(
            wanted.get("first", count)
        )

    def _answer(self, got: Got, path: str, wanted: dict[str, str]) -> Iterator[Step]:
        body = wanted.get("body", "x" * int(wanted.get("size", 0)))
        kind = "application/json" if body[:1] in ("{", "[") else "text/plain"
        text = body if body else self._told(got, path, wanted)
        fields = f"Content-Type: {kind}\r\n"
        if "header" in wanted:
            name, _, value = wanted["header"].partition(":")
            fields += f"{name}: {value}\r\n"
        status = HTTPStatus(int(wanted.get("status", self._health(got, path))))
        answer = ok(text.encode(), status=f"{status.value} {status.phrase}", more=fields)
        yield float(wanted.get("wait", PAUSE if path == "/late" else 0))
        yield answer[:-3] if "cut" in wanted else answer
        if "cut" in wanted:
            yield CLOSE

    def _health(self, got: Got, path: str) -> int:
        """The status of what health checks ask for."""
        name, _, word = path[1:].rpartition("-")
        count = self._seen[got.target]
        ill = {
            "": word == "down",
            "ill-after": word.isdigit() and count > int(word),
            "well-after": word.isdigit() and count <= int(word),
            "for": got.headers.get("host") != word,
        }
        return 503 if ill.get(name, False) else 200

    def _told(self, got: Got, path: str, wanted: dict[str, str]) -> str:
        lines = [f"{self.name}: {got.method} {path}"]
        for name in filter(None, wanted.get("show", "").split(",")):
            lines.append(f"  {name}: {got.headers.get(name.lower(), '(none)')}")
        if got.body:
            lines.append(f"  {got.body.decode()}")
        return "".join(f"{line}\n" for line in lines)

    @staticmethod
    def _events(count: int) -> Iterator[Step]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        yield b"Transfer-Encoding: chunked\r\n\r\n"
        for number in range(count):
            event = b"data: %d\n\n" % number
            yield b"%x\r\n%b\r\n" % (len(event), event)
            yield PAUSE
        yield b"0\r\n\r\n"

    @staticmethod
    def _switch(got: Got) -> bytes:
        head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
        return f"{head}Upgrade: {got.headers['upgrade']}\r\n\r\n".encode() + b"and so on\n"


def upstreams(ports: dict[int, int]) -> dict[Upstream, Origin]:
    """All of them, on these ports instead of those of the examples."""
    made = {Upstream(name): ports[port] for port, name in NAMES.items()}
    return {upstream: Origin(upstream, port) for upstream, port in made.items()}


if __name__ == "__main__":
    upstreams({port: port for port in NAMES})
    print(", ".join(f"{name}: 127.0.0.1:{port}" for port, name in NAMES.items()))
    threading.Event().wait()

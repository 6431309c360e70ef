"""Authority goes to the service and back again and again, under load: nothing fails or doubles.

Both sides guard themselves as the protocol has it: who is not the owner says where it went, who is
fenced refuses. The door learns of each step late, early or not at all.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.proxy.client import patch
from tests.proxy.origin import Got, ok
from tests.proxy.stage import EPOCH, Stage, capability, fenced, moved, stage

CLIENTS = 24
TRIPS = 12  # there and back
FENCED = 0.02  # seconds


class Authority:
    """One row that both sides look at before each command."""

    def __init__(self) -> None:
        self.owner, self.epoch, self.fenced = "monolith", EPOCH, False
        self.done: Counter[str] = Counter()  # commands by their key
        self.wrong = 0  # commands that came to the wrong side, or too early
        self._lock = threading.Lock()

    def judge(self, side: str, got: Got) -> bytes:
        if got.method == "GET":
            return ok(side.encode())
        with self._lock:
            if self.fenced or self.owner != side:
                self.wrong += 1
                return fenced(self.epoch) if self.fenced else moved(self.epoch)
            self.done[got.headers["idempotency-key"]] += 1
        return ok(got.body)

    def fence(self) -> None:
        with self._lock:
            self.fenced = True

    def swap(self, owner: str) -> int:
        """The commit point; returns the new epoch."""
        with self._lock:
            self.owner, self.fenced = owner, False
            self.epoch += 1
            return self.epoch

    def lapse(self) -> None:
        """The fence ends and nothing has moved."""
        with self._lock:
            self.fenced = False


class Client:
    """Sends commands and reads on one connection, as fast as they are answered."""

    def __init__(self, port: int, number: int, stop: threading.Event) -> None:
        self.port, self.number, self.stop = port, number, stop
        self.sent = 0
        self.failures: list[object] = []
        self.longest = 0.0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            for turn in itertools.count():
                if self.stop.is_set():
                    return
                key = f"{self.number}-{turn}"
                begun = time.monotonic()
                try:
                    self.ask(connection, key, read=turn % 4 == 3)
                except OSError as error:
                    self.failures.append(error)
                    return
                self.longest = max(self.longest, time.monotonic() - begun)

    def ask(self, connection: HTTPConnection, key: str, *, read: bool) -> None:
        headers = {} if read else {"Idempotency-Key": key}
        body = None if read else key.encode()
        connection.request("GET" if read else "POST", "/one", body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        self.sent += not read
        if answer.status != 200 or content not in (key.encode(), b"monolith", b"service"):
            self.failures.append((answer.status, content))


def cross(play: Stage, authority: Authority, trip: int) -> None:
    """One way. Held first or not, the table late or not, by turns; sometimes for nothing."""
    there = authority.owner == "monolith"
    if trip % 3:
        patch(play.door, "one", held=True)
    authority.fence()
    time.sleep(FENCED)
    if trip % 5 == 4:
        authority.lapse()
        patch(play.door, "one", held=False)
        return
    epoch = authority.swap("service" if there else "monolith")
    if trip % 2:
        time.sleep(0.05)  # the table comes late
    phase = "extracted" if there else "shadow"
    patch(play.door, "one", phase=phase, epoch=epoch, held=False)


@pytest.mark.timeout(90)
def test_round_trips_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    """Every command is done exactly once, at the side that owned it, and answered well."""
    authority = Authority()
    with stage(tmp_path, {"one": capability()}) as play:
        play.monolith.play("one", lambda got: authority.judge("monolith", got))
        play.service.play("one", lambda got: authority.judge("service", got))
        stop = threading.Event()
        clients = [Client(play.port, number, stop) for number in range(CLIENTS)]
        try:
            for trip in range(2 * TRIPS):
                time.sleep(0.05)
                cross(play, authority, trip)
            time.sleep(0.3)
        finally:
            stop.set()
            for client in clients:
                client.thread.join(15)
        fences = authority.wrong
    assert [failure for client in clients for failure in client.failures] == []
    assert set(authority.done.values()) == {1}
    assert authority.done.total() == sum(client.sent for client in clients) > 10 * TRIPS
    assert fences > TRIPS, "nobody met a fence or a move"
    longest = max(client.longest for client in clients)
    print(f"{authority.done.total()} commands, {fences} refused, longest {longest * 1000:.0f} ms")
    assert longest < 2

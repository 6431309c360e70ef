"""A restart without a gap: two processes have the same addresses, under load, and nothing fails."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from strangler_proxy.wire.handover import HANDSHAKE_SECONDS
from tests.ports import free_port
from tests.proxy.client import ask
from tests.proxy.front import PATIENCE, REPOSITORY, FrontDoor, front_door
from tests.proxy.origin import Origin, origin
from tests.proxy.stage import instances, route

RESTARTS = 2
BREATH = 0.002  # seconds between a client's requests: the processor is for those who start


class Load:
    """Clients that ask again and again, each time on a connection of its own."""

    def __init__(self, door: FrontDoor) -> None:
        self.answered: Counter[int] = Counter()  # by port
        self.failed: list[str] = []
        self._stop = threading.Event()
        targets = [(door.port, "/all")] * 3 + [(door.admin_port, "/-/live")]
        self._threads = [threading.Thread(target=self._ask, args=one) for one in targets]

    def _ask(self, port: int, target: str) -> None:
        while not self._stop.is_set():
            try:
                status = ask(port, "GET", target).status
            except OSError as error:
                self.failed.append(f"{port}: {error!r}")
            else:
                self.answered[port] += 1
                time.sleep(BREATH)
                if status != 200:
                    self.failed.append(f"{port}: {status}")

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """While the block runs."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(PATIENCE)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin() as running:
        yield running


def document(upstream: Origin, **more: Any) -> dict[str, Any]:
    return {
        "upstreams": {"monolith": instances(upstream)},
        "routes": [route("all", upstream="monolith")],
        **more,
    }


def second(door: FrontDoor, config: Path | None = None) -> subprocess.Popen[str]:
    """One more process, by the same document or another."""
    return subprocess.Popen(
        [sys.executable, "-m", "strangler_proxy", "--config", str(config or door.path)],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def until_it_serves(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    said = ""
    while "serving" not in said:
        said = process.stderr.readline()
        assert said, "it does not serve"


def restart(door: FrontDoor) -> None:
    """Start another one, and when it serves, end the first."""
    successor = second(door)
    try:
        until_it_serves(successor)
        assert door.stop() == 0
    except BaseException:
        successor.kill()
        raise
    finally:
        threading.Thread(target=successor.communicate, daemon=True).start()
    door.process = successor  # type: ignore[assignment]  # its stderr is text


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails_over_restarts(workers: int, upstream: Origin, tmp_path: Path) -> None:
    """Neither at the front, nor at the admin listener, which one of them answers all the time."""
    with front_door(tmp_path, document(upstream, workers=workers)) as door:
        load = Load(door)
        with load.going_on():
            for _ in range(RESTARTS):
                restart(door)
        assert load.failed == []
        assert min(load.answered[door.port], load.answered[door.admin_port]) > 50


def test_who_starts_last_answers_at_the_admin_address(upstream: Origin, tmp_path: Path) -> None:
    """So that a change reaches the one that stays; when that one ends, the other answers again."""
    with front_door(tmp_path, document(upstream, revision=1)) as door:
        door.write(
            document(upstream, revision=2)
        )  # is looked at in a second; the successor at once
        door.process.send_signal(signal.SIGSTOP)  # so that it is not
        try:
            successor = second(door)
            until_it_serves(successor)
            asked = [ask(door.admin_port, "GET", "/-/ready").text for _ in range(20)]
            assert set(asked) == {'{"ready":true,"revision":2}'}
        finally:
            successor.terminate()
            successor.communicate(timeout=PATIENCE)
            door.process.send_signal(signal.SIGCONT)
        assert '"ready":true' in ask(door.admin_port, "GET", "/-/ready").text


def test_another_front_door_does_not_take_the_admin_address(
    upstream: Origin, tmp_path: Path
) -> None:
    """One that serves elsewhere is no successor: it says so and ends, and nothing is taken over."""
    with front_door(tmp_path, document(upstream)) as door:
        other = tmp_path / "other.yaml"
        other.write_text(door.path.read_text().replace(f":{door.port}", f":{free_port()}"))
        stranger = second(door, other)
        _, said = stranger.communicate(timeout=PATIENCE)
        assert stranger.returncode == 1
        assert f"admin.address 127.0.0.1:{door.admin_port}: already in use" in said
        for _ in range(5):
            assert ask(door.admin_port, "GET", "/-/live").status == 200


def test_a_worker_that_stands_still_at_the_end_loses_nobody(
    upstream: Origin, tmp_path: Path
) -> None:
    """Whoever waits at the doors of a process that gets no time is served when it gets some."""
    with front_door(tmp_path, document(upstream, workers=2)) as door, ExitStack() as stack:
        successor = second(door)
        stack.callback(successor.communicate, timeout=PATIENCE)
        stack.callback(successor.terminate)
        until_it_serves(successor)
        workers = _children(door.process.pid)
        assert len(workers) == 2
        _signal(workers, signal.SIGSTOP)
        try:
            clients = [stack.enter_context(_asking(door.port)) for _ in range(60)]
            door.process.terminate()
            time.sleep(3 * HANDSHAKE_SECONDS)  # it would like to close now
            late = [stack.enter_context(_asking(door.port)) for _ in range(20)]
        finally:
            _signal(workers, signal.SIGCONT)
        assert [_status(client) for client in clients + late] == [200] * 80
        assert door.process.wait(PATIENCE) == 0


def test_who_has_just_come_in_may_still_ask_when_the_end_comes(
    upstream: Origin, tmp_path: Path
) -> None:
    """But not for long, and who has been answered before is not waited for."""
    with front_door(tmp_path, document(upstream, drain_seconds=PATIENCE)) as door:
        with _connected(door.port) as fresh, _connected(door.port) as silent:
            with _connected(door.port) as served:
                served.sendall(REQUEST)
                assert served.recv(65_536).startswith(b"HTTP/1.1 200")
                door.process.terminate()
                assert served.recv(1) == b""
            fresh.sendall(REQUEST)
            answer = fresh.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"\r\nConnection: close\r\n" in answer
            begun = time.monotonic()
            assert silent.recv(1) == b""
            assert time.monotonic() - begun < PATIENCE / 2
        assert door.process.wait(PATIENCE) == 0


REQUEST = b"GET /all HTTP/1.1\r\nHost: shop.example\r\n\r\n"


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def _asking(port: int) -> socket.socket:
    client = _connected(port)
    client.sendall(REQUEST)
    return client


def _status(client: socket.socket) -> int:
    """0: the connection was lost."""
    try:
        return int(client.recv(65_536).split()[1])
    except (OSError, IndexError):
        return 0


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in found.split()]


def _signal(processes: list[int], number: signal.Signals) -> None:
    for pid in processes:
        os.kill(pid, number)

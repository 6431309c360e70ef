"""A restart without a gap: two processes have the same addresses, under load, and nothing fails."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from strangler_proxy.wire.handover import is_listened_on, leave_to_others, listeners
from strangler_proxy.wire.sockets import open_socket
from tests.proxy.client import ask
from tests.proxy.front import PATIENCE, REPOSITORY, FrontDoor, front_door
from tests.proxy.origin import Origin, origin
from tests.proxy.stage import instances, route

RESTARTS = 2


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
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        other.write_text(door.path.read_text().replace(f":{door.port}", f":{port}"))
        stranger = second(door, other)
        _, said = stranger.communicate(timeout=PATIENCE)
        assert stranger.returncode == 1
        assert f"admin.address 127.0.0.1:{door.admin_port}: already in use" in said
        for _ in range(5):
            assert ask(door.admin_port, "GET", "/-/live").status == 200


# ---------------------------------------------------------------- the sockets


def listening(address: str) -> socket.socket:
    opened = open_socket(address, shared=True)
    opened.listen(64)
    return opened


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_connections_go_past_a_socket_that_is_left(host: str) -> None:
    """To the one that began to listen later, all of them; before, to both."""
    with listening(f"{host}:0") as first:
        address = f"{host}:{first.getsockname()[1]}"
        assert not leave_to_others(first, ours=1)
        with listening(address) as later:
            assert listeners(first) == listeners(later) == 2
            assert accepted(later, address) < 40
            assert leave_to_others(first, ours=1)
            assert accepted(later, address) == 40


def accepted(by: socket.socket, address: str) -> int:
    """How many of 40 connections come to this one."""
    host, _, port = address.rpartition(":")
    clients = [socket.create_connection((host.strip("[]"), int(port))) for _ in range(40)]
    by.setblocking(False)
    count = 0
    until = time.monotonic() + 1
    while time.monotonic() < until:
        try:
            by.accept()[0].close()
        except BlockingIOError:
            if count == 40:
                break
            time.sleep(0.01)
        else:
            count += 1
    for client in clients:
        client.close()
    return count


def test_a_socket_of_nobody_is_seen_as_such(tmp_path: Path) -> None:
    """What nobody listens on, what is only bound, and a unix socket."""
    with open_socket("127.0.0.1:0", shared=True) as bound:
        assert listeners(bound) == 0
        assert not is_listened_on(f"127.0.0.1:{bound.getsockname()[1]}")
        bound.listen()
        assert is_listened_on(f"127.0.0.1:{bound.getsockname()[1]}")
    with open_socket(f"unix:{tmp_path}/s") as unix:
        assert not leave_to_others(unix, ours=1)
    assert not is_listened_on(f"unix:{tmp_path}/s")

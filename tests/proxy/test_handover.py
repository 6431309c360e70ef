"""How an address is left to others who listen there too: the sockets, without a front door."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from strangler_proxy.config import Listen
from strangler_proxy.wire.handover import (
    deal_out_evenly,
    leave_to_others,
    listening,
    listening_at,
    prepare_to_close,
    take_from,
)
from strangler_proxy.wire.sockets import open_socket
from strangler_proxy.workers.slots import Slots

SO_MEMINFO, DROPS = 55, 8  # of Linux: nine numbers, of which the last is segments dropped
NOBODY: frozenset[int] = frozenset()
PATIENCE = 20.0
CROWD = 40


class Shared:
    """An address on which many sockets listen."""

    def __init__(self, host: str) -> None:
        self._first = open_socket(f"{host}:0", shared=True)
        self.address = f"{host}:{self._first.getsockname()[1]}"
        self._name = self._first.getsockname()
        self._opened = [self._first]
        self._clients: list[socket.socket] = []

    def listen(self, count: int = 1) -> list[socket.socket]:
        """So many more."""
        more = [open_socket(self.address, shared=True) for _ in range(count)]
        for one in more:
            one.listen(8 * CROWD)
        self._opened += more
        return more

    def connect(self, count: int = CROWD) -> None:
        """So many clients set out, and do not wait until they have arrived."""
        for _ in range(count):
            client = socket.socket(self._first.family)
            client.setblocking(False)
            client.connect_ex(self._name)
            self._clients.append(client)

    def accepted(self, *by: socket.socket) -> int:
        """How many clients have come to these; waits until all are somewhere or time is up."""
        count = 0
        until = time.monotonic() + PATIENCE
        while count < len(self._clients) and time.monotonic() < until:
            before = count
            for one in by:
                count += _accept_all(one)
            if count == before:
                if self.all_arrived():
                    return count + sum(map(_accept_all, by))
                time.sleep(0.01)
        return count

    def errors(self) -> list[int]:
        """What the clients were told instead of being connected."""
        codes = (one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for one in self._clients)
        return [code for code in codes if code]

    def send_home(self) -> None:
        """The clients go."""
        for client in self._clients:
            client.close()
        self._clients = []

    def all_arrived(self) -> bool:
        return all(map(_is_connected, self._clients))

    def close(self) -> None:
        self.send_home()
        for one in self._opened:
            one.close()


def _is_connected(client: socket.socket) -> bool:
    try:
        client.getpeername()
    except OSError:
        return False
    return True


def _accept_all(by: socket.socket) -> int:
    count = 0
    while True:
        try:
            by.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def _dropped(opened: socket.socket) -> int:
    """How many segments this socket has not taken."""
    found = opened.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4 * 16)
    return int(struct.unpack(f"={len(found) // 4}I", found)[DROPS])


@contextmanager
def _shared(host: str = "127.0.0.1") -> Iterator[Shared]:
    shared = Shared(host)
    try:
        yield shared
    finally:
        shared.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_connections_go_past_a_socket_that_is_left(host: str) -> None:
    """To the one that began to listen later, all of them; before, to both."""
    with _shared(host) as shared:
        (first,) = shared.listen()
        assert not leave_to_others([first], NOBODY)
        (later,) = shared.listen()
        assert len(listening(first)) == len(listening(later)) == 2
        shared.connect()
        assert 0 < shared.accepted(later) < CROWD
        _accept_all(first)
        shared.send_home()
        assert leave_to_others([first], NOBODY)
        shared.connect()
        assert shared.accepted(later) == CROWD


@pytest.mark.parametrize(
    ("earlier", "ours", "later"), [(0, 1, 1), (0, 2, 2), (0, 2, 3), (2, 2, 0), (1, 2, 2), (1, 3, 0)]
)
def test_nobody_is_sent_to_sockets_that_are_being_closed(
    earlier: int, ours: int, later: int
) -> None:
    """In whatever order they are closed, and at every step of it; then all others get some."""
    with _shared() as shared:
        stay = shared.listen(earlier)
        before = listening_at(shared.address)
        mine = shared.listen(ours)
        others = stay + shared.listen(later)
        assert leave_to_others(mine, before)
        shared.connect()
        prepare_to_close(mine, before)
        for one in random.sample(mine, len(mine)):
            shared.connect()
            assert [_accept_all(left) for left in mine] == [0] * len(mine)
            assert [_dropped(left) for left in mine] == [0] * len(mine)
            mine.remove(one)
            one.close()
        shared.connect()
        assert shared.accepted(*others) == CROWD * (ours + 2)
        assert shared.errors() == []
        shared.send_home()
        shared.connect(4 * CROWD)
        assert all(count > 0 for count in _shares(shared, others))


def _shares(shared: Shared, sockets: list[socket.socket]) -> list[int]:
    """How many each of them gets."""
    until = time.monotonic() + PATIENCE
    while not shared.all_arrived() and time.monotonic() < until:
        time.sleep(0.01)
    return [_accept_all(one) for one in sockets]


def test_who_is_sent_to_a_closing_socket_all_the_same_comes_to_another_later() -> None:
    """Three of ours and one other: not every number is right at every step. Late, not lost."""
    with _shared() as shared:
        mine = shared.listen(3)
        others = shared.listen()
        assert leave_to_others(mine, NOBODY)
        prepare_to_close(mine, NOBODY)
        dropped = 0
        while mine:
            shared.connect()
            assert [_accept_all(one) for one in mine] == [0] * len(mine)
            dropped += sum(map(_dropped, mine))
            mine.pop().close()
        assert dropped > 0
        assert shared.accepted(*others) == 3 * CROWD
        assert shared.errors() == []


def test_a_handshake_that_has_begun_may_end_at_the_socket_that_is_left() -> None:
    """What waits in its queue is still accepted; only new connections go past it."""
    with _shared() as shared:
        (first,) = shared.listen()
        shared.connect()
        (later,) = shared.listen()
        assert leave_to_others([first], NOBODY)
        assert shared.accepted(first) == CROWD
        assert _accept_all(later) == 0


def test_who_is_alone_again_takes_off_what_another_has_left() -> None:
    """Else a third one would get all connections as soon as it listens."""
    with _shared() as shared:
        (first,) = shared.listen()
        (second,) = shared.listen()
        leave_to_others([first], NOBODY)
        prepare_to_close([first], NOBODY)
        deal_out_evenly([second])  # not yet: the first is still there
        shared.connect()
        assert shared.accepted(second) == CROWD
        shared.send_home()
        first.close()
        (third,) = shared.listen()
        shared.connect()
        assert shared.accepted(third) == CROWD
        shared.send_home()
        third.close()
        deal_out_evenly([second])
        (third,) = shared.listen()
        shared.connect()
        assert 0 < shared.accepted(third) < CROWD


def test_who_takes_an_address_over_gets_all_and_may_give_it_back() -> None:
    """As the admin listeners do; the one that was first has it again."""
    with _shared() as shared:
        (first,) = shared.listen()
        before = listening_at(shared.address)
        (second,) = shared.listen()
        take_from(len(before), second)
        shared.connect()
        assert shared.accepted(second) == CROWD
        shared.send_home()
        assert leave_to_others([second], before)
        shared.connect()
        assert shared.accepted(first) == CROWD


def test_a_socket_of_nobody_is_seen_as_such(tmp_path: Path) -> None:
    """What nobody listens on, what is only bound, and a unix socket."""
    with open_socket("127.0.0.1:0", shared=True) as bound:
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        assert listening(bound) == NOBODY
        assert listening_at(address) == NOBODY
        assert not leave_to_others([bound], NOBODY)
        bound.listen()
        assert len(listening_at(address)) == 1
    assert not leave_to_others([bound], NOBODY)
    with open_socket(f"unix:{tmp_path}/s") as unix:
        assert not leave_to_others([unix], NOBODY)
    assert listening_at(f"unix:{tmp_path}/s") == NOBODY


def test_only_addresses_that_somebody_takes_over_are_kept_open(tmp_path: Path) -> None:
    """The others are closed at once: who came to them would wait for workers that have gone."""
    with _shared() as shared, _shared() as alone:
        unix = f"unix:{tmp_path}/s"
        slots = Slots([Listen(address=one) for one in (shared.address, alone.address, unix)])
        for worker in range(2):
            for fd in slots.of(worker):
                with socket.socket(fileno=fd) as opened:
                    opened.listen()
                    opened.detach()
        shared.listen()
        assert slots.hand_over()
        assert len(listening_at(shared.address)) == 3
        assert listening_at(alone.address) == NOBODY
        assert not (tmp_path / "s").exists()
        slots.close()
        assert len(listening_at(shared.address)) == 1

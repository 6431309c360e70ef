"""Listening sockets of worker processes: one for each worker and listener.

The kernel deals new connections out to the sockets of an address (SO_REUSEPORT). They are opened
by the supervisor and stay open when a worker dies: connections that the kernel has accepted
already wait for the next worker. A unix socket cannot be opened twice and is shared by all.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence

from strangler_proxy.config import Listen
from strangler_proxy.wire.handover import (
    deal_out_evenly,
    leave_to_others,
    listening,
    prepare_to_close,
)
from strangler_proxy.wire.sockets import name_of, open_socket, remove


class Slots:
    """The sockets of all workers. ``addresses`` are the listeners' own, port 0 resolved."""

    def __init__(self, listeners: Sequence[Listen]) -> None:
        """Bind every listener once, which keeps the address. Raises OSError that names it."""
        self._kept: list[socket.socket] = []
        self._slots: dict[int, list[socket.socket]] = {}
        self._earlier: list[frozenset[int]] = []  # who listened there before us
        try:
            for listener in listeners:
                self._kept.append(open_socket(listener.address, shared=True))
        except OSError:
            self.close()
            raise
        self._earlier = [listening(kept) for kept in self._kept]
        self.addresses = tuple(map(name_of, self._kept))

    def of(self, worker: int) -> tuple[int, ...]:
        """File descriptors for a worker, one for each listener; opened if they are not."""
        if worker not in self._slots:
            self._slots[worker] = [
                kept.dup() if kept.family == socket.AF_UNIX else open_socket(address, shared=True)
                for kept, address in zip(self._kept, self.addresses, strict=True)
            ]
        return tuple(opened.fileno() for opened in self._slots[worker])

    def hand_over(self) -> bool:
        """Leave the addresses to another process that listens there; False if nobody does.

        Our copies of the sockets stay open until ``close``, but not for addresses that nobody
        takes over: who came when the workers have closed theirs would wait there in vain.
        """
        left = False
        for kept, (ours, earlier) in zip(self._kept, self._by_address(), strict=True):
            if leave_to_others(ours, earlier):
                left = True
            else:
                _close(ours)
                _close_kept(kept)
        return left

    def deal_out_evenly(self) -> None:
        """Where nobody shares the address with us any more, nothing of that is to be left."""
        for ours, _ in self._by_address():
            deal_out_evenly(ours)

    def give_up(self, worker: int) -> None:
        """The worker will not be back soon: new connections go to the others.

        Those that wait for it already are reset.
        """
        _close(self._slots.pop(worker, ()))

    def close(self) -> None:
        """Close all, and remove unix sockets."""
        for ours, earlier in self._by_address():
            prepare_to_close(ours, earlier)
        for worker in list(self._slots):
            self.give_up(worker)
        for kept in self._kept:
            _close_kept(kept)
        self._kept = []

    def _by_address(self) -> Iterator[tuple[list[socket.socket], frozenset[int]]]:
        """All sockets of one address, and who listened there before."""
        for number, earlier in enumerate(self._earlier):
            yield [slot[number] for slot in self._slots.values()], earlier


def _close_kept(kept: socket.socket) -> None:
    if kept.fileno() >= 0:
        address = name_of(kept)
        kept.close()
        remove(address)


def _close(sockets: Iterable[socket.socket]) -> None:
    for opened in sockets:
        opened.close()

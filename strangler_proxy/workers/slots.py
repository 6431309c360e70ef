"""Listening sockets of worker processes: one for each worker and listener.

The kernel deals new connections out to the sockets of an address (SO_REUSEPORT). They are opened
by the supervisor and stay open when a worker dies: connections that the kernel has accepted
already wait for the next worker. A unix socket cannot be opened twice and is shared by all.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from strangler_proxy.config import Listen
from strangler_proxy.wire.handover import leave_to_others
from strangler_proxy.wire.sockets import name_of, open_socket, remove


class Slots:
    """The sockets of all workers. ``addresses`` are the listeners' own, port 0 resolved."""

    def __init__(self, listeners: Sequence[Listen]) -> None:
        """Bind every listener once, which keeps the address. Raises OSError that names it."""
        self._kept: list[socket.socket] = []
        self._slots: dict[int, list[socket.socket]] = {}
        try:
            for listener in listeners:
                self._kept.append(open_socket(listener.address, shared=True))
        except OSError:
            self.close()
            raise
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
        """Leave the addresses to another process that listens there; False if nobody does."""
        ours = len(self._slots)
        opened = [one for slot in list(self._slots.values())[:1] for one in slot]
        left = [leave_to_others(one, ours) for one in opened]
        return any(left)

    def give_up(self, worker: int) -> None:
        """The worker will not be back soon: new connections go to the others.

        Those that wait for it already are reset.
        """
        for opened in self._slots.pop(worker, ()):
            opened.close()

    def close(self) -> None:
        """Close all, and remove unix sockets."""
        for worker in list(self._slots):
            self.give_up(worker)
        for kept in self._kept:
            address = name_of(kept)
            kept.close()
            remove(address)
        self._kept = []

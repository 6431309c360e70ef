"""Leaves an address to another process that listens there too, without losing a connection.

The sockets that share an address (SO_REUSEPORT) are a group, and the kernel gives each new
connection to one of them. One that is closed takes with it what waits in its queue: those clients
see a reset. Two means of Linux are against that, both of them programs of a few instructions:

- One that chooses within the group (``SO_ATTACH_REUSEPORT_CBPF``, see socket(7)). It answers with
  a number. The sockets are numbered in the order in which they began to listen; when one is closed,
  the last one gets its number; and for a number that there is not the kernel chooses among all by
  itself, as it does without a program. So who leaves makes it choose among the others.
- One that drops packets of a socket (``SO_ATTACH_FILTER``). Who leaves drops what opens a
  connection. Should the other program send a client here after all, its system asks again a second
  later, and then this socket is gone: it is late, not lost.

The first spares clients that second. It errs if more than two have shared the address and one that
began in between or before was closed meanwhile, and while we close more sockets than the others
have, for that moment. What is lost all the same: connections whose handshake takes longer than
``HANDSHAKE_SECONDS``, and what only waits for a process that dies.

A program stays with the group when its author has gone, until somebody takes it off who is alone.

Elsewhere than on Linux nobody else is ever seen, and nothing is handed over.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from strangler_proxy.wire.sockets import UNIX, open_socket

HANDSHAKE_SECONDS = 0.5  # one that has begun may end: two round trips around the world
# Options of Linux that the socket module does not name.
_ATTACH_FILTER = 26  # SO_ATTACH_FILTER
_ATTACH_PROGRAM = 51  # SO_ATTACH_REUSEPORT_CBPF
_DETACH_PROGRAM = 68  # SO_DETACH_REUSEPORT_BPF, whichever kind it is; since 5.3
_TABLES = {socket.AF_INET: Path("/proc/net/tcp"), socket.AF_INET6: Path("/proc/net/tcp6")}
_LISTENS = "0A"  # the state in those tables, which begin with who listens
# Instructions: code, steps if true, steps if false, operand.
_RANDOM = (0x20, 0, 0, 0xFFFFF000 + 56)  # A = SKF_AD_RANDOM
_ANSWER = (0x16, 0, 0, 0)  # return A
_OPENS_NOTHING = (  # what is not SYN alone
    (0x30, 0, 0, 13),  # A = the flags of the segment
    (0x54, 0, 0, 0x12),  # A &= SYN | ACK
    (0x15, 0, 1, 0x02),  # A == SYN?
    (0x06, 0, 0, 0),  # then nothing of it
    (0x06, 0, 0, 0xFFFFFFFF),  # else all
)
_Program = Sequence[tuple[int, int, int, int]]


def listening(opened: socket.socket) -> frozenset[int]:
    """The inodes of all sockets that listen at the address of this one, itself included."""
    table = _TABLES.get(opened.family)
    if table is None:
        return frozenset()  # of unix
    wanted = _spelled(opened)
    with contextlib.suppress(OSError), table.open() as lines:
        next(lines)  # the names of the columns
        # It goes on with every connection of the machine: not to be read.
        fields = itertools.takewhile(lambda one: one[3] == _LISTENS, map(str.split, lines))
        return frozenset(int(one[9]) for one in fields if one[1] == wanted)
    return frozenset()


def listening_at(address: str) -> frozenset[int]:
    """As ``listening``, for an address as a document has it; none for what cannot be shared."""
    if address.startswith(UNIX):
        return frozenset()
    try:
        with open_socket(address, shared=True) as probe:
            return listening(probe)
    except OSError:
        return frozenset()


def leave_to_others(ours: Sequence[socket.socket], earlier: frozenset[int]) -> bool:
    """New connections go to others from now on; False if there are none.

    ``ours`` are all our sockets of one address, ``earlier`` who listened there before they did.
    What waits in their queues is still to be accepted.
    """
    group = _Group.of(ours, earlier)
    if group is None:
        return False
    _choose_among(group.ours, group.first, group.count)
    for one in group.ours:
        _attach(one, _ATTACH_FILTER, _OPENS_NOTHING)
    return True


def prepare_to_close(ours: Sequence[socket.socket], earlier: frozenset[int]) -> None:
    """After ``leave_to_others``, for the moment in which ours are closed, in whatever order.

    The number of the others is that of one of them as long as one of ours is left: if those behind
    ours are not fewer, they move up into each gap. When the last of ours is gone there is no
    such number, and the kernel deals out to all.
    """
    group = _Group.of(ours, earlier)
    if group is not None and group.first and group.count >= len(group.ours):
        _choose_among(group.ours, group.total, 1)


def take_from(others: int, opened: socket.socket) -> None:
    """``opened`` gets all new connections from now on; it was the next after so many others."""
    if others:
        _choose_among([opened], others, 1)


def deal_out_evenly(ours: Sequence[socket.socket]) -> None:
    """Take off the program that one who has gone may have left; if others are there, nothing."""
    mine = _listening_of(ours)
    if mine and listening(mine[0]) == {_inode(one) for one in mine}:
        with contextlib.suppress(OSError):  # there is none, or an old kernel: dealt out unevenly
            mine[0].setsockopt(socket.SOL_SOCKET, _DETACH_PROGRAM, 0)


@dataclass(frozen=True, slots=True)
class _Group:
    """The sockets of an address, seen by who leaves it."""

    ours: list[socket.socket]  # those that listen
    first: int  # the number of the first of those who are to get the connections
    count: int  # of them
    total: int  # of all others

    @classmethod
    def of(cls, ours: Sequence[socket.socket], earlier: frozenset[int]) -> _Group | None:
        """None if there are no others."""
        usable = [one for one in ours if one.fileno() >= 0]
        if not usable:
            return None
        mine = _listening_of(usable)
        others = listening(usable[0]) - {_inode(one) for one in mine}
        later = others - earlier
        if later:  # our successor; who was there before us is more likely about to leave, too
            return cls(mine, len(others - later) + len(mine), len(later), len(others))
        return cls(mine, 0, len(others), len(others)) if others else None


def _listening_of(ours: Sequence[socket.socket]) -> list[socket.socket]:
    return [
        one
        for one in ours
        if one.fileno() >= 0
        and one.family in _TABLES
        and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ]


def _inode(opened: socket.socket) -> int:
    return os.fstat(opened.fileno()).st_ino


def _choose_among(group: Sequence[socket.socket], first: int, count: int) -> None:
    """The kernel chooses at random among these numbers. ``group``: at least one of it."""
    at_random = (_RANDOM, (0x94, 0, 0, count), (0x04, 0, 0, first), _ANSWER)  # A % count + first
    for one in group[:1]:
        _attach(one, _ATTACH_PROGRAM, at_random)


def _attach(opened: socket.socket, option: int, program: _Program) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    kept = ctypes.create_string_buffer(code, len(code))
    with contextlib.suppress(OSError):  # an old kernel: some connections may be reset
        opened.setsockopt(
            socket.SOL_SOCKET, option, struct.pack("HP", len(program), ctypes.addressof(kept))
        )


def _spelled(opened: socket.socket) -> str:
    """The address as those tables have it: words of 32 bits in the order of this machine."""
    host, port = opened.getsockname()[:2]
    packed = socket.inet_pton(opened.family, host)
    return "".join(f"{word:08X}" for word in _words(packed)) + f":{port:04X}"


def _words(packed: bytes) -> Iterator[int]:
    for start in range(0, len(packed), 4):
        yield int.from_bytes(packed[start : start + 4], sys.byteorder)

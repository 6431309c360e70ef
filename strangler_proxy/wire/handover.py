"""Leaves an address to another process that listens there too, without losing a connection.

The sockets that share an address (SO_REUSEPORT) are a group, and the kernel gives each new
connection to one of them. One that is closed takes with it what waits in its queue: those clients
see a reset. So before that the kernel is told to choose among the others, by a program of four
instructions (``SO_ATTACH_REUSEPORT_CBPF``, see socket(7) of Linux). It answers with a number: the
sockets of a group are numbered in the order in which they began to listen, and for a number that
there is not the kernel chooses by itself, as it does without a program.

Elsewhere than on Linux nobody else is ever seen, and nothing is handed over.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from strangler_proxy.wire.sockets import UNIX, open_socket

HANDSHAKE_SECONDS = 0.5  # one that has begun may end: two round trips around the world
_ATTACH_PROGRAM = 51  # SO_ATTACH_REUSEPORT_CBPF, which the socket module does not name
_TABLES = {socket.AF_INET: Path("/proc/net/tcp"), socket.AF_INET6: Path("/proc/net/tcp6")}
_LISTENS = "0A"  # the state in those tables
_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM: a random number is loaded


def listeners(opened: socket.socket) -> int:
    """How many sockets listen at the address of this one, itself included if it does."""
    table = _TABLES.get(opened.family)
    if table is None:
        return 0  # of unix
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return 0
    wanted = _spelled(opened)
    fields = (line.split(None, 4) for line in lines)
    return sum(one[1] == wanted and one[3] == _LISTENS for one in fields)


def is_listened_on(address: str) -> bool:
    """Whether somebody shares ``host:port`` with who comes; False for what cannot be shared."""
    if address.startswith(UNIX):
        return False
    try:
        with open_socket(address, shared=True) as probe:
            return listeners(probe) > 0
    except OSError:
        return False


def leave_to_others(opened: socket.socket, ours: int) -> bool:
    """New connections go past the first ``ours`` sockets of the group; False if it has no others.

    ``opened`` is one of the group that listens.
    """
    others = listeners(opened) - ours
    if others < 1:
        return False
    program = b"".join(
        [
            struct.pack("HBBI", 0x20, 0, 0, _RANDOM),  # A = random
            struct.pack("HBBI", 0x94, 0, 0, others),  # A %= others
            struct.pack("HBBI", 0x04, 0, 0, ours),  # A += ours
            struct.pack("HBBI", 0x16, 0, 0, 0),  # return A
        ]
    )
    kept = ctypes.create_string_buffer(program, len(program))
    with contextlib.suppress(OSError):  # an old kernel: some connections may be reset
        opened.setsockopt(
            socket.SOL_SOCKET, _ATTACH_PROGRAM, struct.pack("HP", 4, ctypes.addressof(kept))
        )
    return True


def _spelled(opened: socket.socket) -> str:
    """The address as those tables have it: words of 32 bits in the order of this machine."""
    host, port = opened.getsockname()[:2]
    packed = socket.inet_pton(opened.family, host)
    return "".join(f"{word:08X}" for word in _words(packed)) + f":{port:04X}"


def _words(packed: bytes) -> Iterator[int]:
    for start in range(0, len(packed), 4):
        yield int.from_bytes(packed[start : start + 4], sys.byteorder)

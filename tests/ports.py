"""Ports for servers that tests and benchmarks start as processes of their own."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

FIRST = 15_000
PARTS = 8  # workers of one run that never choose the same port
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_chance = random.SystemRandom()  # the shared one may be seeded, and then all runs agree
_given: set[int] = set()


def free_port() -> int:
    """A TCP port of the loopback that nobody has now, and that nobody is given by chance.

    A port that the system chooses for ``bind(0)`` may be the local end of anybody's connection a
    moment later, before the server that it is meant for has begun. These lie below the system's
    own range, and each worker of a run has a part of its own.

    Raises:
        AssertionError: a thousand tries found none.
    """
    low, high = _part()
    for _ in range(1000):
        port = _chance.randrange(low, high)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise AssertionError(f"no free port between {low} and {high - 1}")


def _part() -> tuple[int, int]:
    """The first port of this worker's part, and the first behind it."""
    last = int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else 32_768
    size = (last - FIRST) // PARTS
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PARTS
    return FIRST + worker * size, FIRST + (worker + 1) * size


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

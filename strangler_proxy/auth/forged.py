"""Bounds what forged tokens cost: looking at one takes 0.15 ms of CPU, and anyone can make them up.

Each address may send so many tokens with a bad signature in a minute; they come back evenly, by
GCRA as in ``limits/local``. Whoever is known already is not asked, so people who share an address
with the forger go on with the tokens they have, and only new ones must wait.

Not counted are expired tokens and those of unknown keys: the former are finite, the latter cost
no signature. Nor are clients on a unix socket: they have one address for all of them.
"""

from __future__ import annotations

from typing import Final

from strangler_proxy.auth.remembered import Remembered
from strangler_proxy.errors import Refusal
from strangler_proxy.limits.local import network
from strangler_proxy.wire.forwarding import UNIX

MINUTE: Final = 60.0  # seconds
ADDRESSES: Final = 16_384  # remembered; about 2 MB
ROUNDING: Final = 1e-3  # seconds; unix time has no more digits to spare
TOO_MANY_FORGED = Refusal(
    429,
    "too_many_requests",
    "Too many access tokens that are not valid came from this address; try again later.",
    ((b"Retry-After", b"1"),),
)


class Forged:
    """What each address has used of its leave to be wrong. ``now`` is unix time."""

    __slots__ = ("_full", "_interval")

    def __init__(self, per_minute: int) -> None:
        self._interval = MINUTE / per_minute
        # By network: the time at which all it has used will have come back.
        self._full = Remembered[str, float](ADDRESSES, MINUTE)

    def admits(self, address: str, now: float) -> bool:
        """Whether one more token of this address is looked at."""
        full = self._full.get(network(address), now)
        return full is None or full - now <= MINUTE - self._interval + ROUNDING

    def count(self, address: str, now: float) -> None:
        """One of them was forged."""
        if address == UNIX:
            return
        key = network(address)
        full = self._full.get(key, now)
        self._full.keep(key, max(now, full or now) + self._interval, now)

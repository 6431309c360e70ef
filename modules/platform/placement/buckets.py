"""Who is in a share of so many percent: a key that stays with the asker, hashed.

The rule is the front door's (``strangler_proxy/cohorts.py``, which imports nothing of this): XXH64
with seed 0 over the key's text, modulo 100, and the last ``percent`` buckets go to the service. So
whoever is in stays in while the share grows.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import xxhash

from modules.platform.contracts import ActorKind, CallContext

BUCKETS: Final = 100
# Their work is nobody's in particular: by their id all of it would be in one bucket.
NOBODYS: Final = frozenset({ActorKind.SYSTEM, ActorKind.SERVICE})


def bucket_of(key: bytes) -> int:
    """0 to 99."""
    return int(xxhash.xxh64_intdigest(key)) % BUCKETS


def is_in(bucket: int, percent: int) -> bool:
    """Whether the service answers this bucket."""
    return bucket >= BUCKETS - percent


def key_of(context: CallContext) -> bytes:
    """What the asker of a call is known by; empty for a call that belongs to no one and nothing.

    Whoever began it, by the front door's name for them, also in calls that events make long after.
    Without it, for calls that began elsewhere than at the edge: an account's id, a guest's owner
    reference, what the call is part of.
    """
    if context.asker:
        return context.asker.encode()
    actor = context.actor
    if actor.kind not in NOBODYS:
        if actor.id:
            return actor.id.encode()
        if actor.owners:
            return min(actor.owners).encode()
    return (context.correlation_id or context.request_id or "").encode()


def bucket_of_call(context: CallContext, chance: Callable[[], float] = random.random) -> int:
    """0 to 99; drawn, where there is nothing to stay with."""
    key = key_of(context)
    return bucket_of(key) if key else int(chance() * BUCKETS)


def bucket_of_part(part: int, parts: int) -> int:
    """The bucket of partition ``part`` of ``parts``, spread evenly, the last one's being 99.

    Hashed, a handful of partitions could leave a share of 30 % without any; so, from 1 % on the
    service has one.
    """
    return BUCKETS - 1 - (parts - 1 - part) * BUCKETS // parts

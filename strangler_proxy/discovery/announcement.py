"""What an instance says of itself, to a registry or to the admin listener."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from strangler_proxy.config import Address, Instance

Weight = Annotated[int, Meta(ge=1, le=100)]
Label = Annotated[str, Meta(max_length=200)]


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """One instance. Unknown members are not looked at: newer services may say more.

    ``capacity`` is another name for ``weight``. ``role`` is the database that the instance is
    bound to; ``version`` and ``contract`` are for people.
    """

    address: Address
    weight: Weight | None = None
    capacity: Weight | None = None
    role: Literal["origin", "own"] | None = None
    version: Label | None = None
    contract: Label | None = None


_decoder = msgspec.json.Decoder(Announcement)


def read_announcement(body: bytes) -> Announcement:
    """From JSON. Raises ValueError with a sentence that says what is wrong."""
    try:
        return _decoder.decode(body)
    except ValueError as error:
        raise ValueError(
            f'{error}; expected is {{"address": "host:port"}}, and at will weight (1 to 100), '
            "role (origin or own), version and contract"
        ) from error


def to_instances(announced: Iterable[Announcement], role: str | None) -> tuple[Instance, ...]:
    """Those of ``role`` (all, if None), by address. The last word on an address counts."""
    weights = {
        one.address: one.weight or one.capacity or 1
        for one in announced
        if role is None or one.role == role
    }
    return tuple(
        Instance(address=address, weight=weight) for address, weight in sorted(weights.items())
    )

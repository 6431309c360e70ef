"""What is said to a registry and what it says, as JSON.

A listing is read by the front door too (``strangler_proxy.discovery``), which believes a list as a
whole or not at all: what stands here may not be looser than what is read there.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from modules.platform.discovery.instances import Instance, Role

TTL = 10.0  # seconds of silence after which an instance is not listed: three heartbeats and a bit
HEARTBEAT = 3.0  # seconds
CONTRACT_UNKNOWN = "contract_unknown"  # the fault of naming a contract that was not announced

# ``$(?!\n)``: Python's ``$`` alone would let a line end pass.
ID = r"^[A-Za-z0-9._:-]{1,128}$(?!\n)"
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$(?!\n)")]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?)"
        r"(:[0-9]{1,5})?$(?!\n)",
    ),
]
# Also answers over gRPC; empty: it does not.
GrpcUrl = Annotated[
    str,
    Meta(
        pattern=r"^(grpcs?://(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?)"
        r":[0-9]{1,5})?$(?!\n)",
    ),
]
Label = Annotated[str, Meta(max_length=200)]
Fingerprint = Annotated[str, Meta(pattern=r"^([0-9a-f]{32})?$(?!\n)")]
Capacity = Annotated[int, Meta(ge=1, le=100)]
InFlight = Annotated[int, Meta(ge=0, le=1_000_000)]


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What an instance says of itself. Other members are not looked at: a newer one may say more.

    ``contract`` is the fingerprint of a schema that the registry has; empty: it has not said.
    """

    module: Name
    url: Url
    role: Role
    version: Label = ""
    contract: Fingerprint = ""
    capacity: Capacity = 8
    grpc_url: GrpcUrl = ""


class Wanted(msgspec.Struct, frozen=True):
    """The query of a listing; without a module it is of all."""

    module: Name | None = None


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a registration: how long it lasts, and how often to be heard."""

    ttl_seconds: float = TTL
    heartbeat_seconds: float = HEARTBEAT


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """Still here. ``in_flight``: calls being worked on; None where the instance cannot tell."""

    in_flight: InFlight | None = None


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a heartbeat. ``listed`` is false for one that an operator has dropped."""

    listed: bool


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One live instance; ``address`` is for the front door, the rest for callers and people."""

    id: str
    module: str
    address: str
    url: Url
    role: Role
    version: str = ""
    contract: str = ""
    capacity: Capacity = 8
    grpc_url: GrpcUrl = ""


class Listing(msgspec.Struct, frozen=True):
    """The live instances, by id."""

    instances: tuple[Listed, ...]


def call_of(method: str, path: str) -> str:
    """What a request asks, for its token: ``registry.PUT instances/payment-1``."""
    return f"registry.{method} {path.partition('/registry/')[2]}"


def listed(one: Instance) -> Listed:
    """As it is told to others."""
    return Listed(
        id=one.id,
        module=one.module,
        address=one.address,
        url=one.url,
        role=one.role,
        version=one.version,
        contract=one.contract,
        capacity=one.capacity,
        grpc_url=one.grpc_url,
    )


def instance(one: Listed) -> Instance:
    """As it is used here."""
    return Instance(
        id=one.id,
        module=one.module,
        url=one.url,
        role=one.role,
        version=one.version,
        contract=one.contract,
        capacity=one.capacity,
        grpc_url=one.grpc_url,
    )

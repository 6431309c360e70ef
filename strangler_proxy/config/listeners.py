"""Where clients and operators connect, what a client may send, and the access log."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from strangler_proxy.config.kinds import Address, Count, Network, Part, Seconds


class Tls(Part, frozen=True):
    """Certificate chain and key in PEM files; ``client_ca`` makes client certificates required."""

    certificate: str
    key: str
    client_ca: str | None = None


class ClientLimits(Part, frozen=True):
    """What a client may send, and how slowly."""

    head_bytes: Annotated[int, Meta(ge=1024, le=1 << 20)] = 16_384
    header_count: Annotated[int, Meta(ge=8, le=1000)] = 100
    target_bytes: Annotated[int, Meta(ge=256, le=1 << 16)] = 8_192
    head_seconds: Seconds = 10.0  # from the first byte of a head to its last
    body_seconds: Seconds = 30.0  # without one byte of an announced body
    idle_seconds: Seconds = 75.0  # between two requests
    write_seconds: Seconds = 60.0  # without reading one byte of its answer
    connections: Count = 10_000


class Listen(Part, frozen=True):
    """One listening socket."""

    address: Address
    tls: Tls | None = None
    limits: ClientLimits = ClientLimits()
    trusted_proxies: tuple[Network, ...] = ()  # whose X-Forwarded-For is believed
    backlog: Count = 2048


class Admin(Part, frozen=True):
    """The admin listener, ``/-/...``. Changing anything needs the token from ``token_file``.

    ``registration_token_file`` holds one that only lets instances register; without it they
    need the other.
    """

    address: Address = "127.0.0.1:8009"
    token_file: str | None = None
    registration_token_file: str | None = None


class AccessLog(Part, frozen=True):
    """JSON lines; ``-`` is stdout, no path is no log."""

    path: str | None = "-"
    flush_milliseconds: Annotated[int, Meta(ge=1, le=1000)] = 5

"""Where requests go: instances, how they are found, and what protects them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from strangler_proxy.config.kinds import (
    Address,
    Count,
    HeaderValue,
    Part,
    Path,
    Percent,
    Ratio,
    Seconds,
    Status,
)


class Instance(Part, frozen=True):
    """One place that answers; twice the weight takes twice the requests."""

    address: Address
    weight: Annotated[int, Meta(ge=1, le=100)] = 1


class Dns(Part, frozen=True):
    """Every address of a name is an instance (Kubernetes headless services)."""

    name: str
    port: Annotated[int, Meta(ge=1, le=65535)]
    refresh_seconds: Seconds = 5.0


class Registry(Part, frozen=True):
    """Services that announce themselves.

    With an URL it is asked every ``refresh_seconds`` for ``{"instances": [...]}``; without one,
    instances register at the admin listener and are forgotten ``ttl_seconds`` after their last
    heartbeat. ``role`` takes only instances bound to that database.
    """

    url: str | None = None
    refresh_seconds: Seconds = 1.0
    ttl_seconds: Seconds = 10.0
    role: Literal["origin", "own"] | None = None


class Connections(Part, frozen=True):
    """The pool of each instance."""

    connect_seconds: Seconds = 1.0
    idle_seconds: Seconds = 20.0  # keep below the upstream's own, or it closes in our hands
    idle: Count = 512  # as the bulkhead: what works at once beyond it dials anew each time
    requests: Count = 100_000  # a connection is closed after so many


class Bulkhead(Part, frozen=True):
    """Requests an upstream works on at once, and those that may wait for their turn."""

    concurrent: Count = 512
    queue: Annotated[int, Meta(ge=0, le=100_000)] = 512
    queue_seconds: Seconds = 2.0


class Breaker(Part, frozen=True):
    """Opens one instance at ``ratio`` failures of at least ``minimum`` calls in the window."""

    window_seconds: Seconds = 10.0
    minimum: Count = 20
    ratio: Ratio = 0.5
    rest_seconds: Seconds = 5.0
    probes: Count = 3


class Outliers(Part, frozen=True):
    """Ejects an instance after consecutive failures, longer each time."""

    consecutive_failures: Count = 5
    eject_seconds: Seconds = 10.0
    max_eject_seconds: Seconds = 300.0
    max_ejected_percent: Percent = 50


class Health(Part, frozen=True):
    """Asks every instance; so many answers in a row change the mind."""

    path: Path = "/readyz"
    host: HeaderValue | None = None  # asked as; else the TLS server name or the address
    interval_seconds: Seconds = 2.0
    timeout_seconds: Seconds = 1.0
    healthy: Count = 1
    unhealthy: Count = 3
    statuses: tuple[Status, ...] = (200, 204)


class UpstreamTls(Part, frozen=True):
    """TLS towards the upstream, verified against ``ca`` or the system's authorities."""

    server_name: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


class RetryBudget(Part, frozen=True):
    """Retries are at most ``share`` of requests, plus ``reserve`` to begin with."""

    share: Annotated[float, Meta(ge=0, le=1)] = 0.2
    reserve: Annotated[float, Meta(ge=0, le=1000)] = 10.0


class Upstream(Part, frozen=True):
    """Where requests go: exactly one of ``instances``, ``dns`` and ``registry``."""

    instances: tuple[Instance, ...] = ()
    dns: Dns | None = None
    registry: Registry | None = None
    tls: UpstreamTls | None = None
    connections: Connections = Connections()
    bulkhead: Bulkhead = Bulkhead()
    breaker: Breaker | None = Breaker()
    outliers: Outliers | None = Outliers()
    health: Health | None = None
    retry_budget: RetryBudget = RetryBudget()

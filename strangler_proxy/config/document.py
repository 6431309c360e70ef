"""The whole document."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from strangler_proxy.config.capabilities import Capability
from strangler_proxy.config.cors import Cors
from strangler_proxy.config.credentials import Authentication
from strangler_proxy.config.kinds import Name, Part, Seconds, Size
from strangler_proxy.config.limits import RateLimit, SharedLimits
from strangler_proxy.config.listeners import AccessLog, Admin, Listen
from strangler_proxy.config.mirroring import Recording
from strangler_proxy.config.routes import Route
from strangler_proxy.config.upstreams import Upstream


class Document(Part, frozen=True):
    """The whole of it. ``version`` is that of this format, ``revision`` that of the contents."""

    version: Literal[1]
    listen: Annotated[tuple[Listen, ...], Meta(min_length=1)]
    routes: tuple[Route, ...]
    upstreams: dict[Name, Upstream] = {}
    capabilities: dict[Name, Capability] = {}
    authentication: Authentication | None = None
    rate_limits: dict[Name, RateLimit] = {}
    shared_limits: SharedLimits | None = None
    cors: Cors | None = None
    revision: Annotated[int, Meta(ge=0)] = 0
    admin: Admin | None = None
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    drain_seconds: Seconds = 30.0
    access_log: AccessLog = AccessLog()
    state: str | None = None  # folder for the last good table and for recorded pairs
    cache_bytes: Size = 67_108_864
    recording: Recording = Recording()

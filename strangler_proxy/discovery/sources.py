"""Where the instances of an upstream are: written down, behind a name, or in a registry.

A source runs as one task and publishes whole lists. It never publishes what it does not know: as
long as a name or a registry cannot be asked, the last good list stays, however old, and the state
says so. Whoever takes the list compares (``Balancer.update``): what is no longer in it drains.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from strangler_proxy import config
from strangler_proxy.config import Instance
from strangler_proxy.discovery.polling import Clock, NoList, Publish, Source, State, poll
from strangler_proxy.discovery.registrations import Registered, Registrations

__all__ = ["Dns", "Registered", "Source", "Static", "source_for"]

# What loop.getaddrinfo answers: family, type, protocol, canonical name, address.
Found = list[tuple[Any, Any, int, str, tuple[Any, ...]]]
GetAddrInfo = Callable[..., Awaitable[Found]]


def source_for(
    upstream: str,
    rules: config.Upstream,
    registrations: Registrations,
    *,
    rng: random.Random,
    clock: Clock,
) -> Source:
    """What the document says about ``upstream``. ``registrations`` are those of this process."""
    if rules.dns is not None:
        return Dns(upstream, rules.dns, rng=rng, clock=clock)
    if rules.registry is None:
        return Static(upstream, rules.instances, clock=clock)
    if rules.registry.url is None:
        return Registered(upstream, rules.registry, registrations, clock=clock)
    from strangler_proxy.discovery.registry import RegistryClient  # httpx: for who uses it

    return RegistryClient(upstream, rules.registry, rng=rng, clock=clock)


class Static:
    """The instances of the document."""

    def __init__(self, upstream: str, instances: tuple[Instance, ...], *, clock: Clock) -> None:
        self.state = State(upstream, "document", clock)
        self._instances = instances

    async def run(self, publish: Publish) -> None:
        """Publishes once and is done."""
        self.state.succeeded(self._instances, publish)


class Dns:
    """Every address of a name, IPv4 and IPv6. An answer without any is no answer."""

    def __init__(
        self,
        upstream: str,
        rules: config.Dns,
        *,
        rng: random.Random,
        clock: Clock,
        getaddrinfo: GetAddrInfo | None = None,
    ) -> None:
        self.state = State(upstream, f"dns {rules.name}", clock)
        self._rules = rules
        self._rng = rng
        self._getaddrinfo = getaddrinfo

    async def run(self, publish: Publish) -> None:
        """Publishes what changed, until it is cancelled."""
        await poll(self._ask, publish, self.state, self._rules.refresh_seconds, self._rng)

    async def _ask(self) -> tuple[Instance, ...]:
        # No time limit here: the resolver has its own, and a lookup that is given up goes on in
        # its thread; the threads would soon be used up.
        name, port = self._rules.name, self._rules.port
        ask = self._getaddrinfo or asyncio.get_running_loop().getaddrinfo
        try:
            # Stream only, or each address comes three times; ADDRCONFIG leaves out IPv6 where
            # this machine has none.
            found = await ask(name, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        except (OSError, UnicodeError) as error:
            raise NoList(f"{name} cannot be resolved: {error}") from error
        addresses = sorted({one[4][0] for one in found})
        if not addresses:
            raise NoList(f"{name} has no address")
        return tuple(Instance(address=_with_port(one, port)) for one in addresses)


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

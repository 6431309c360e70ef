"""A name as a source: every address behind it is an instance. Kubernetes' headless services."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modules.platform.discovery.instances import Instance, Role
from modules.platform.discovery.metrics import INSTANCES
from modules.platform.discovery.polling import CHANCE, Clock, Polling, Random

INTERVAL = 5.0  # seconds; headless services' records live 5 to 30

# What socket.getaddrinfo answers: family, type, protocol, canonical name, address.
Found = list[tuple[Any, Any, int, str, tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """Where a module's instances are: ``name`` and ``port``, and how they are spoken to."""

    name: str
    port: int
    scheme: str = "http"
    role: Role = Role.OWN
    capacity: int = 8


class Unresolved(Exception):
    """A name has no address now; the message says which and why."""


class DnsSource:
    """Addresses of names, IPv4 and IPv6, asked for again and again.

    A name that cannot be resolved, or has no address, keeps those it had. With ``https`` an
    instance must answer for its address: certificates seldom do, so it is for inside a mesh.
    """

    def __init__(
        self,
        names: Mapping[str, Name],
        *,
        interval: float = INTERVAL,
        getaddrinfo: Callable[..., Found] = socket.getaddrinfo,
        clock: Clock = time.monotonic,
        chance: Random = CHANCE,
    ) -> None:
        """``names``: module to where its instances are."""
        self._getaddrinfo = getaddrinfo
        self._known: dict[str, tuple[Instance, ...]] = {}
        # A thread a name: a resolver that waits for one must not hold up the others.
        self._pollings = {
            module: Polling(
                f"dns-{module}",
                self._asking(module, where),
                interval=interval,
                clock=clock,
                chance=chance,
            )
            for module, where in names.items()
        }

    def instances(self, module: str) -> tuple[Instance, ...]:
        """Those last found. The first question of a process starts the looking up."""
        if module not in self._pollings:
            return ()
        self._pollings[module].ensure()
        return self._known.get(module, ())

    def age(self, module: str) -> float | None:
        """Seconds since the module's name was resolved last; None when it never was."""
        return self._pollings[module].age()

    def wait(self, seconds: float) -> bool:
        """Whether each name was looked up, well or not, within ``seconds`` each."""
        return all(polling.wait(seconds) for polling in self._pollings.values())

    def poll(self) -> None:
        """Look all names up now, in this thread."""
        for polling in self._pollings.values():
            polling.turn()

    def close(self) -> None:
        """Stop looking up."""
        for polling in self._pollings.values():
            polling.close()

    def _asking(self, module: str, where: Name) -> Callable[[], None]:
        def ask() -> None:
            self._known[module] = self._resolve(module, where)
            INSTANCES.labels(f"dns-{module}", module).set(len(self._known[module]))

        return ask

    def _resolve(self, module: str, where: Name) -> tuple[Instance, ...]:
        try:
            # Stream only, or each address comes three times; ADDRCONFIG leaves out IPv6 where
            # this machine has none.
            found = self._getaddrinfo(
                where.name, where.port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
        except (OSError, UnicodeError) as error:
            raise Unresolved(f"{where.name} cannot be resolved: {error}") from error
        addresses = sorted({str(one[4][0]) for one in found})
        if not addresses:
            raise Unresolved(f"{where.name} has no address")
        return tuple(_instance(module, where, address) for address in addresses)


def _instance(module: str, where: Name, address: str) -> Instance:
    host = f"[{address}]" if ":" in address else address
    return Instance(
        id=f"{module}@{host}:{where.port}",
        module=module,
        url=f"{where.scheme}://{host}:{where.port}",
        role=where.role,
        capacity=where.capacity,
    )

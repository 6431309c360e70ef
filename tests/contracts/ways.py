"""The ways a call may take to a port's implementation: what holds on one must hold on each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from modules.platform.binding import CodecRoute, LocalRoute, bound, methods_of, routed
from modules.platform.discovery import LeastLoaded, StaticSource
from modules.platform.resilience import RetryPolicy
from modules.platform.rpc import CallPolicy, Calls, RemoteRoute
from tests.contracts.between import Fault
from tests.contracts.hosted import ISSUER, Hosted, trusting
from tests.contracts.relay import Relay

# The first answer is lost, so that every test has a command that is done twice.
UNKIND = (Fault.LOSE, Fault.TWICE, Fault.DELAY)
PATIENT = CallPolicy(retries=RetryPolicy(attempts=4, base=0.005, longest=0.02))


class Way(Protocol):
    """``with way(Payment, PaymentService()): use(Payment)...``."""

    def __call__(self, port: type, implementation: object) -> AbstractContextManager[None]: ...

    def lose_nothing(self) -> None:
        """Let the next answers arrive: what follows is about the first of them."""
        ...


class InProcess:
    """By a route that needs no network."""

    def __init__(self, kind: type[LocalRoute] | type[CodecRoute]) -> None:
        self._kind = kind

    def __call__(self, port: type, implementation: object) -> AbstractContextManager[None]:
        return routed(port, self._kind(implementation))

    def lose_nothing(self) -> None:
        """Nothing ever is."""


class OverHttp:
    """By real HTTP to a host, through a relay that delays, loses and doubles."""

    def __init__(self, host: Hosted) -> None:
        self._host = host
        self.relay = Relay(host.address)
        self.relay.plan(*UNKIND)

    @contextmanager
    def __call__(self, port: type, implementation: object) -> Iterator[None]:
        calls = Calls(issuer=ISSUER, keys=self._host.caller_keys, policy=PATIENT)
        module = next(iter(methods_of(port).values())).module
        instances = LeastLoaded(StaticSource({module: [self.relay.url]}))
        way = RemoteRoute(instances, made_by=lambda: calls)
        try:
            with trusting(self._host), bound(port, implementation), routed(port, way):
                yield
        finally:
            calls.close()

    def lose_nothing(self) -> None:
        self.relay.plan(Fault.DELAY)

    def close(self) -> None:
        self.relay.close()


WAYS = ("direct", "codec", "http")

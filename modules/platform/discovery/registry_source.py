"""The registry as a source: asked by a thread, remembered while it is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

import structlog
from django.db import DEFAULT_DB_ALIAS, connections

from modules.platform.discovery import registry
from modules.platform.discovery.client import RegistryClient
from modules.platform.discovery.compatibility import Contracts
from modules.platform.discovery.instances import Instance
from modules.platform.discovery.metrics import INSTANCES, UNFIT
from modules.platform.discovery.polling import CHANCE, Clock, Polling, Random
from modules.platform.discovery.wire import TTL

log = structlog.get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
Known = dict[str, tuple[Instance, ...]]
INTERVAL = 1.0  # seconds between two questions


class RegistrySource:
    """The live instances of every module whose contract this process can speak.

    While the registry cannot be asked, what was known stays, however old: ``age()`` tells. That a
    module has nobody left is believed after ``ttl`` seconds: a registry that was away for a while
    knows nobody until the next heartbeats.
    """

    def __init__(
        self,
        ask: Callable[[], tuple[Instance, ...]],
        *,
        schema: Callable[[str], str | None],
        contracts: Contracts,
        name: str = "registry",
        interval: float = INTERVAL,
        ttl: float = TTL,
        clock: Clock = time.monotonic,
        chance: Random = CHANCE,
    ) -> None:
        """``ask`` gives the live instances of all modules, ``schema`` a contract by fingerprint."""
        self._ask = ask
        self._schema = schema
        self._contracts = contracts
        self._ttl = ttl
        self._clock = clock
        self._known: Known = {}  # replaced as a whole, so that readers need no lock
        self._empty_since: dict[str, float] = {}
        self._polling = Polling(name, self._poll, interval=interval, clock=clock, chance=chance)

    @classmethod
    def over_http(cls, client: RegistryClient, contracts: Contracts) -> RegistrySource:
        """From a registry elsewhere."""
        return cls(client.instances, schema=client.schema, contracts=contracts)

    @classmethod
    def from_table(cls, contracts: Contracts) -> RegistrySource:
        """From this host's own table."""
        ask, schema = _closing(registry.live), _closing(registry.contract)
        return cls(ask, schema=schema, contracts=contracts, name="table")

    def instances(self, module: str) -> tuple[Instance, ...]:
        """Those that may be called. The first question of a process starts the asking."""
        self._polling.ensure()
        return tuple(
            one
            for one in self._known.get(module, ())
            if not self._contracts.why_not(module, one.contract)
        )

    def incompatible(self, module: str) -> dict[str, str]:
        """Why live instances are not called, by id."""
        known = self._known.get(module, ())
        reasons = {one.id: self._contracts.why_not(module, one.contract) for one in known}
        return {id: reason for id, reason in reasons.items() if reason}

    def age(self) -> float | None:
        """Seconds since the registry answered last; None when it never did."""
        return self._polling.age()

    def wait(self, seconds: float) -> bool:
        """Whether the registry was asked, well or not: for a process that begins."""
        return self._polling.wait(seconds)

    def poll(self) -> None:
        """Ask now, in this thread; a failure changes nothing but the age."""
        self._polling.turn()

    def close(self) -> None:
        """Stop asking."""
        self._polling.close()

    def _poll(self) -> None:
        found = self._ask()
        self._judge(found)
        self._known = self._believed(_by_module(found))
        self._count()

    def _judge(self, found: Iterable[Instance]) -> None:
        for module, fingerprint in {(one.module, one.contract) for one in found}:
            if self._contracts.is_judged(module, fingerprint):
                continue
            try:
                self._contracts.judge(module, fingerprint, self._schema(fingerprint) or "")
            except Exception as error:  # its instances wait; those of the others must not
                log.warning("discovery.contract_unread", module=module, error=str(error))
                continue
            if reason := self._contracts.why_not(module, fingerprint):
                log.warning("discovery.incompatible", module=module, reason=reason)

    def _believed(self, found: Known) -> Known:
        now = self._clock()
        believed = dict(found)
        for module, before in self._known.items():
            if module in found or not before:
                self._empty_since.pop(module, None)
            elif now - self._empty_since.setdefault(module, now) < self._ttl:
                believed[module] = before
            else:
                believed[module] = ()
        return believed

    def _count(self) -> None:
        for module, known in self._known.items():
            unfit = len(self.incompatible(module))
            INSTANCES.labels(self._polling.name, module).set(len(known) - unfit)
            UNFIT.labels(self._polling.name, module).set(unfit)


def _by_module(found: Iterable[Instance]) -> Known:
    known: dict[str, list[Instance]] = {}
    for one in found:
        known.setdefault(one.module, []).append(one)
    return {module: tuple(some) for module, some in known.items()}


def _closing(ask: Callable[P, R]) -> Callable[P, R]:
    """``ask`` in a thread that belongs to no request: give the connection back after it."""

    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return ask(*args, **kwargs)
        finally:
            connections[DEFAULT_DB_ALIAS].close()

    return asked

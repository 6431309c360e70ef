"""All that this process knows and keeps for calling other hosts; begun anew after a fork."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from modules.platform.discovery import Instance
from modules.platform.discovery.forking import renew_after_fork
from modules.platform.keys import KeyRing, ring_in
from modules.platform.resilience import (
    BreakerPolicy,
    Bulkhead,
    CircuitBreaker,
    KillSwitch,
    RetryBudget,
    RetryPolicy,
)
from modules.platform.rpc import settings
from modules.platform.rpc.switches import SharedSwitches
from modules.platform.rpc.transport import Address, Transport

K = TypeVar("K")
T = TypeVar("T")

PATIENCE = 1.0  # seconds for which a call waits for a place
PEERS = 10_000  # instances and methods remembered: addresses change with each deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolicy:
    """How calls are made. Times are seconds; ``timeouts`` are of single methods."""

    timeout: float = 10.0
    timeouts: Mapping[str, float] = field(default_factory=dict)
    concurrency: int = 32
    max_bytes: int = 5_000_000
    retries: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(attempts=3, base=0.05, longest=1.0)
    )
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)

    @classmethod
    def of_this_host(cls) -> CallPolicy:
        """As the settings say."""
        return cls(
            timeout=settings.timeout(),
            timeouts=dict(settings.timeouts()),
            concurrency=settings.concurrency(),
            max_bytes=settings.max_bytes(),
            retries=RetryPolicy(attempts=settings.attempts(), base=0.05, longest=1.0),
        )

    def timeout_of(self, call: str) -> float:
        return self.timeouts.get(call, self.timeout)


class Calls:
    """Connections, breakers by instance, bulkheads and retry budgets by module, switches.

    Safe between threads. Clock, sleep and chance come in, for tests.
    """

    def __init__(
        self,
        *,
        issuer: str,
        keys: KeyRing,
        policy: CallPolicy | None = None,
        switches: KillSwitch | SharedSwitches | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.issuer = issuer
        self.keys = keys
        self.policy = policy or CallPolicy()
        self.switches = KillSwitch() if switches is None else switches
        self.clock, self.sleep, self.chance = clock, sleep, chance
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Connections are the parent's, and its threads may have held any lock."""
        self.transport = Transport(max_bytes=self.policy.max_bytes)
        self._lock = threading.Lock()
        self._breakers: dict[str, CircuitBreaker] = {}
        self._bulkheads: dict[str, Bulkhead] = {}
        self._budgets: dict[str, RetryBudget] = {}
        self._addresses: dict[tuple[str, str], Address] = {}

    def breaker(self, one: Instance, url: str) -> CircuitBreaker:
        """Of ``one`` at ``url``: each of its ways has one, and what moved elsewhere begins anew."""
        return self._kept(
            self._breakers,
            f"{one.id} {url}",
            lambda: CircuitBreaker(one.id, self.policy.breaker),
        )

    def bulkhead(self, module: str) -> Bulkhead:
        limit = self.policy.concurrency
        return self._kept(
            self._bulkheads,
            module,
            lambda: Bulkhead(module, limit=limit, queue=limit // 2, patience=PATIENCE),
        )

    def budget(self, module: str) -> RetryBudget:
        return self._kept(self._budgets, module, RetryBudget)

    def address(self, url: str, path: str) -> Address:
        """Where ``path`` of the instance at ``url`` is. Raises ValueError."""
        return self._kept(self._addresses, (url, path), lambda: Address.of(url, path))

    def close(self) -> None:
        """Close what is open and idle."""
        self.transport.close()

    def _kept(self, kept: dict[K, T], key: K, make: Callable[[], T]) -> T:
        found = kept.get(key)
        if found is not None:
            return found
        with self._lock:
            if len(kept) >= PEERS:
                kept.clear()  # all of them are made again when they are needed
            return kept.setdefault(key, make())


_calls: Calls | None = None
_making = threading.Lock()


def calls() -> Calls:
    """This process's, made from the settings when first asked for."""
    global _calls
    if _calls is None:
        with _making:
            if _calls is None:
                _calls = Calls(
                    issuer=settings.service_name(),
                    keys=ring_in(settings.keys_dir()),
                    policy=CallPolicy.of_this_host(),
                    switches=SharedSwitches(settings.redis_url(), settings.switched_off()),
                )
    return _calls

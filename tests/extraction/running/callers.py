"""Callers of payment in this process, by the ways of a host: here, or at a service over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from django.db import connections

from modules.extraction.routing.calls import AuthorityRoute
from modules.extraction.routing.watching import Authorities
from modules.payment.contract import Payment
from modules.platform.binding import LocalRoute, implementation_of, routed, use
from modules.platform.contracts import ContractError
from modules.platform.discovery import Instance, LeastLoaded, StaticSource
from modules.platform.resilience import RetryPolicy
from modules.platform.rpc import CallPolicy, Calls, RemoteRoute
from tests.contracts.hosted import ISSUER, hosted, trusting

PAUSE = 0.015  # seconds between two calls of one
POLICY = CallPolicy(retries=RetryPolicy(attempts=2, base=0.005, longest=0.02))
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Office:
    """``url`` is a host that answers for payment; ``metrics`` where this process is asked for its
    numbers. While it ``is_gone``, callers find nobody.
    """

    url: str
    is_gone: bool = False

    @property
    def metrics(self) -> str:
        return f"{self.url}/metrics"

    def instances(self, module: str) -> tuple[Instance, ...]:
        url = NOWHERE if self.is_gone else self.url
        return StaticSource({"payment": [url]}).instances(module)

    @contextmanager
    def callers(self) -> Iterator[None]:
        """Two of them, one call after the other, until they are sent home."""
        home = threading.Event()

        def call() -> None:
            while not home.wait(PAUSE):
                with suppress(ContractError):
                    use(Payment).payments(order_ids=(uuid4(),))
            connections.close_all()

        crowd = [threading.Thread(target=call) for _ in range(2)]
        for one in crowd:
            one.start()
        try:
            yield
        finally:
            home.set()
            for one in crowd:
                one.join()


@contextmanager
def office(home: Path) -> Iterator[Office]:
    """This process calls payment as a monolith does, and goes by the authority in the table."""
    with ExitStack() as stack:
        host = stack.enter_context(hosted(home))
        stack.enter_context(trusting(host))
        calls = Calls(issuer=ISSUER, keys=host.caller_keys, policy=POLICY)
        stack.callback(calls.close)
        known, here = Authorities(), LocalRoute(implementation_of(Payment))
        stack.callback(known.close)
        place = Office(host.url)
        there = RemoteRoute(LeastLoaded(place), made_by=lambda: calls)
        stack.enter_context(routed(Payment, AuthorityRoute(here.caller, there, known)))
        yield place

"""A monolith and a service that answer as a test says, with a real front door before them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from modules.extraction import standings, targets
from modules.extraction.phases import Phase, Standing
from modules.extraction.routing.doors import own_upstream
from modules.platform.discovery import Role, registry
from tests import plain
from tests.platform.discovery.serving import RegistryServer, said
from tests.platform.placement.doorway import telling
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, Got, Origin, Step, ok
from tests.waiting import eventually

PAYMENTS = "/api/v1/payment/payments"
ROUTE = f"GET {PAYMENTS}"
Body = Callable[[], Any] | Any


@dataclass
class Side:
    """What one of the two says to every request; ``body`` may be a function that makes it anew."""

    body: Body = field(default_factory=lambda: {"items": []})
    headers: dict[str, str] = field(default_factory=dict)
    status: str = "200 OK"
    asked: list[str] = field(default_factory=list)
    is_lost: bool = False

    def answer(self, request: Got) -> bytes | Iterable[Step]:
        self.asked.append(request.target)
        if self.is_lost:
            return [CLOSE]
        body = self.body() if callable(self.body) else self.body
        said = {"Content-Type": "application/json"} | self.headers
        more = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        return ok(json.dumps(body).encode(), status=self.status, more=more)


@dataclass
class Both:
    """Both sides and the front door between."""

    door: FrontDoor
    monolith: Side
    service: Side
    pairs: Path
    service_url: str = ""

    def join(self) -> None:
        """The service has an instance with a database of its own."""
        said_so = said(role=Role.OWN, url=self.service_url)
        registry.register("payment-9", said_so, issuer="payment", ttl=600)

    def ask(self, times: int = 1, target: str = PAYMENTS) -> None:
        """So many reads by clients, and their pairs recorded; with whatever was asked before. Not
        before the front door knows who is to have the copies.
        """
        eventually(self._knows_the_service)
        before = self.recorded()
        for _ in range(times):
            answer = plain.get(self.door.url + target, timeout=10, trust_env=False)
            assert "Ficus-Mirror" not in answer.headers
        eventually(lambda: self.recorded() >= before + times)

    def _knows_the_service(self) -> bool:
        upstreams = self.door.admin("GET", "/-/upstreams").json()["upstreams"]
        own = own_upstream("payment")
        return own not in upstreams or bool(upstreams[own]["members"])

    def recorded(self) -> int:
        """Lines in the front door's files."""
        return sum(path.read_bytes().count(b"\n") for path in self.pairs.glob("*/*.jsonl"))

    def table(self) -> dict[str, Any]:
        """The front door's document."""
        found: dict[str, Any] = self.door.admin("GET", "/-/table").json()
        return found


@contextmanager
def both_sides(home: Path) -> Iterator[Both]:
    """Origins and a front door that looks for the service's instances in this host's registry."""
    monolith, service = Side(), Side()
    origins = Origin(lambda got: monolith.answer(got)), Origin(lambda got: service.answer(got))
    registrar = RegistryServer()
    registrar.start()
    at = {"role": "origin", "refresh_seconds": 0.1}
    at["url"] = f"{registrar.url}/instances?module=payment"
    document = {
        "state": str(home / "state"),
        "upstreams": {
            "monolith": {"instances": [{"address": origins[0].address}]},
            "payment": {"registry": at},
        },
        "capabilities": {"payment": {"monolith": "monolith", "service": "payment"}},
        "routes": [
            {
                "name": "payment",
                "prefix": "/api/v1/payment",
                "capability": "payment",
                "authentication": "none",
                "sticky": ["header:Shopper"],
            }
        ],
    }
    try:
        with front_door(home / "door", document) as door:
            both = Both(door, monolith, service, home / "state" / "pairs")
            both.service_url = f"http://{origins[1].address}"
            yield both
    finally:
        registrar.stop()
        for origin in origins:
            origin.close()


@contextmanager
def begun(both: Both, home: Path) -> Iterator[Both]:
    """Payment in phase shadow, with one instance that has a database of its own."""
    document = both.table()
    for side in (both.monolith, both.service):
        vars(side).update(vars(Side()))
    with telling(home, both.door):
        standings.put("payment", Standing(phase=Phase.SHADOW), reason="planted")
        both.join()
        try:
            yield both
        finally:
            document["capabilities"]["payment"]["epoch"] = 0
            both.door.admin("PUT", "/-/table", json=document)
            for path in both.pairs.glob("*/*.jsonl"):
                path.unlink()


def spoil(change: str, order_id: UUID) -> None:
    """Change a row of the service around the triggers, as somebody at a shell might."""
    target = targets.known("payment")
    assert target is not None
    with psycopg.connect(target.admin_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SELECT set_config('ficus.applier', 'payment', false)")
        statement = f"UPDATE payment.payment_payment SET {change} WHERE order_id = %s"  # noqa: S608
        connection.execute(statement.encode(), [order_id])

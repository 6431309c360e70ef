"""The host that ``bench_rpc`` calls: a module at ``/rpc``, and ``/bare`` with the same bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Protocol
from uuid import UUID

from django.core.handlers.wsgi import WSGIHandler

from modules.platform.contracts import Command, Money, PostalAddress

ID = UUID("0190b5a0-0000-7000-8000-000000000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Of an order."""

    sku: str
    quantity: int
    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Command):
    """As large as commands of the shop are: some 500 bytes."""

    order_id: UUID
    address: PostalAddress
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """As large as their answers are."""

    order_id: UUID
    at: datetime
    total: Money
    lines: tuple[Line, ...]


class Probe(Protocol):
    """A port of one method, which does nothing: only the way there is measured."""

    def place(self, command: Place) -> Placed: ...


Probe.__module__ = "modules.probe.contract.port"

LINES = tuple(
    Line(sku=f"SKU-{n:05}", quantity=n, price=Money(amount=1999, currency="EUR")) for n in range(4)
)
COMMAND = Place(
    idempotency_key="k-0001",
    order_id=ID,
    address=PostalAddress(name="Ada", line1="1 Main St", city="Wien", country="AT"),
    lines=LINES,
)
ANSWER = Placed(
    order_id=ID,
    at=datetime(2026, 1, 1, tzinfo=UTC),
    total=Money(amount=7996, currency="EUR"),
    lines=LINES,
)


class Prober:
    """The implementation."""

    def place(self, command: Place) -> Placed:
        return ANSWER


@cache
def application() -> WSGIHandler:
    """The host, made ready; for ``granian --factory``."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.settings")
    import django
    from django.conf import settings

    settings.ROOT_URLCONF = "tests.benchmarks.rpc_addresses"
    settings.SERVICE_TRUST = os.environ["BENCH_TRUST"]
    django.setup()
    from modules.platform.binding import bind

    bind(Probe, Prober())
    return WSGIHandler()

"""``manage.py strangler`` as the tests say it, and what they look up afterwards."""

from __future__ import annotations

import io
import json
from typing import Any, NoReturn
from uuid import uuid4

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg.conninfo import make_conninfo

from modules.extraction import targets
from modules.extraction.management.commands.strangler import Command
from modules.extraction.standings import ALIAS
from modules.payment.models import Payment
from modules.platform.discovery import Role, registry
from tests import plain
from tests.platform.discovery.serving import said
from tests.proxy.front import FrontDoor

SCHEMA = "payment"


def strangler(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(Command(stdout=out, stderr=err), *arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, out.getvalue(), err.getvalue()


def interrupt() -> NoReturn:
    """Ctrl-C between a question to the database and its answer."""
    connections[ALIAS].connection.pgconn.send_query(b"SELECT 1")
    raise KeyboardInterrupt


def told(*arguments: str) -> tuple[int, Any]:
    """The same, with the result as JSON."""
    code, out, _ = strangler(*arguments, "--json")
    return code, json.loads(out)


def done(verb: str, *more: str) -> dict[str, Any]:
    """A verb on payment that must work."""
    code, out, err = strangler(verb, SCHEMA, "--reason", "a test", "--yes", "--json", *more)
    assert code == 0, (out, err)
    found: dict[str, Any] = json.loads(out)
    return found


def pay(count: int) -> None:
    """So many payments, by the ORM: in the monolith's schema, or refused."""
    for _ in range(count):
        Payment.objects.create(
            order_id=uuid4(), owner="customer:1", provider="standin", method="card", amount=100,
            currency="EUR",
        )  # fmt: skip


def asked(door: FrontDoor, method: str = "POST") -> str:
    """Who answers a request at the front door: ``monolith`` or ``service``."""
    url, shopper = f"{door.url}/api/v1/payment", {"Shopper": "a"}
    return plain.request(method, url, headers=shopper, timeout=20, trust_env=False).text


def own_instance(door: FrontDoor) -> None:
    """The service has an instance with its own database: the front door's second origin."""
    url = f"http://{door.service_address}"  # type: ignore[attr-defined]
    registry.register("payment-9", said(role=Role.OWN, url=url), issuer="payment", ttl=600)


def service_rows(statement: str) -> list[tuple[Any, ...]]:
    """Rows of the service's database, by its own login: as its host would read and write."""
    target = targets.known(SCHEMA)
    assert target is not None
    url = make_conninfo(target.url, options="-c search_path=payment")
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def monolith_rows(statement: str) -> list[tuple[Any, ...]]:
    """Rows of the monolith's schema of the module."""
    with connections[SCHEMA].cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def make_partitions() -> None:
    """Of the monolith's outbox, more than there are: other tests may have made some ahead, too."""
    ahead = "(SELECT count(*)::int + 3 FROM pg_inherits WHERE inhparent = 'bus_outbox'::regclass)"
    [(made,)] = monolith_rows(f"SELECT bus_make_partitions(1000000, {ahead})")
    assert made > 0


def leftovers() -> list[tuple[Any, ...]]:
    """What an extraction would leave in the monolith's database."""
    return monolith_rows(
        "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'ficus%' "
        "UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'payment_move'"
    )

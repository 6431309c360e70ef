"""PostgreSQL refuses a module that is moving: what REST, calls and the bus make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import msgspec
import pytest
from django.db import IntegrityError, connections, transaction
from django.db.utils import DatabaseError
from django.test import Client

from modules.inventory.contract import SetStock, StockLevel
from modules.inventory.service import InventoryService
from modules.platform.contracts import SYSTEM, Actor, ActorKind, CallContext, Fenced, Moved
from modules.platform.contracts.codec import encode
from modules.platform.databases.refusals import FENCED, MOVED, refusal_of
from modules.platform.messaging import authority
from modules.platform.rest import authentication
from modules.platform.rest.identifiers import ids
from modules.platform.rpc.serving import door_of
from modules.platform.rpc.wire import Outcome, Raised, rebuilt
from tests.platform.example import EXAMPLE

pytestmark = pytest.mark.django_db(transaction=True)

# As the triggers of an extraction do it.
GUARD = """
CREATE FUNCTION {schema}.test_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the module in schema % is not here', TG_TABLE_SCHEMA
        USING ERRCODE = '{state}', DETAIL = 'epoch 4';
END $$;
CREATE TRIGGER test_guard BEFORE INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.test_guard();
"""
UNGUARD = "DROP FUNCTION {schema}.test_guard() CASCADE"
Guarded = Callable[[str, str], None]


@contextmanager
def guarded(table: str, state: str) -> Iterator[None]:
    with connections[EXAMPLE].cursor() as cursor:
        cursor.execute(GUARD.format(schema=EXAMPLE, table=table, state=state))
    try:
        yield
    finally:
        with connections[EXAMPLE].cursor() as cursor:
            cursor.execute(UNGUARD.format(schema=EXAMPLE))


@pytest.fixture
def guard() -> Iterator[Guarded]:
    """``guard(table, state)``: every write to the table is refused for the rest of the test."""
    with ExitStack() as stack:
        yield lambda table, state: stack.enter_context(guarded(table, state))


KINDS = pytest.mark.parametrize(("state", "kind"), [(FENCED, Fenced), (MOVED, Moved)])
WRITE = "UPDATE idempotency_record SET status = 1"
COMMAND = SetStock(
    idempotency_key="k",
    levels=(StockLevel(sku="a", warehouse="main", on_hand=1),),
    reason="a test",
)
FIRST_TABLE = "inventory_completedcommand"  # that the command writes to


@KINDS
def test_write_raises_the_contracts_error(
    guard: Guarded, state: str, kind: type[Fenced | Moved]
) -> None:
    """Typed, with the alias's module and the epoch; PostgreSQL's own error is its cause."""
    guard("idempotency_record", state)
    with pytest.raises(kind) as refused, connections[EXAMPLE].cursor() as cursor:
        cursor.execute(WRITE)
    assert (refused.value.module, refused.value.epoch) == (EXAMPLE, 4)
    assert isinstance(refused.value.__cause__, DatabaseError)
    assert refusal_of(refused.value.__cause__, EXAMPLE) is not None


def test_transaction_ends_and_the_connection_works_on(guard: Guarded) -> None:
    """Nothing of the transaction stays, and the next one is not hurt."""
    guard("idempotency_record", FENCED)
    with (
        pytest.raises(Fenced),
        transaction.atomic(using=EXAMPLE),
        connections[EXAMPLE].cursor() as cursor,
    ):
        cursor.execute(f"CREATE TABLE {EXAMPLE}.half_done (); {WRITE}")
    with transaction.atomic(using=EXAMPLE), connections[EXAMPLE].cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"{EXAMPLE}.half_done"])
        assert cursor.fetchone() == (None,)


def test_other_errors_stay_what_they_are() -> None:
    """A broken constraint is no refusal."""
    with pytest.raises(IntegrityError), connections[EXAMPLE].cursor() as cursor:
        cursor.execute("INSERT INTO idempotency_record (digest) VALUES ('x')")


@KINDS
def test_bus_counts_it_as_nobodys_failure(
    guard: Guarded, state: str, kind: type[Fenced | Moved]
) -> None:
    """A worker that is refused hands its batch back, also where the error came without Django."""
    guard("idempotency_record", state)
    connection = connections[EXAMPLE]
    connection.ensure_connection()
    with pytest.raises(Exception) as plain:  # noqa: PT011 - psycopg has no class for the state
        connection.connection.execute(WRITE)
    assert authority.refused(plain.value)
    with pytest.raises(kind) as typed, connection.cursor() as cursor:
        cursor.execute(WRITE)
    assert authority.refused(typed.value)


@KINDS
def test_call_of_another_host_gets_the_typed_error(
    guard: Guarded, state: str, kind: type[Fenced | Moved]
) -> None:
    """What crosses is rebuilt there as the same class, with the epoch to look elsewhere by."""
    guard(FIRST_TABLE, state)
    door = door_of(EXAMPLE, "set_stock")
    reply = door.answer(door.arguments(encode({"command": COMMAND})), CallContext(actor=SYSTEM))
    assert reply.outcome is Outcome.RAISED
    error = rebuilt(msgspec.json.decode(reply.body, type=Raised))
    assert isinstance(error, kind)
    assert (error.module, error.epoch) == (EXAMPLE, 4)


@pytest.mark.parametrize(
    ("state", "status", "header"), [(FENCED, 503, "Ficus-Fenced"), (MOVED, 421, "Ficus-Moved")]
)
def test_request_is_answered_in_the_front_doors_words(
    guard: Guarded,
    api: Client,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    status: int,
    header: str,
) -> None:
    """Nothing was done, send it again: refused at the key's claim, before anything has happened."""
    chief = Actor(kind=ActorKind.STAFF, id="4", scopes=frozenset({f"{EXAMPLE}:write"}))
    monkeypatch.setattr(authentication, "_verifiers", [{"chief": chief}.get])
    guard("idempotency_record", state)
    response = api.post(
        f"/api/v1/inventory/reservations/{ids('ord').text(uuid4())}/release",
        {"reason": "a test"},
        content_type="application/json",
        headers={"Authorization": "Bearer chief", "Idempotency-Key": "k"},
    )
    assert (response.status_code, response.headers[header]) == (status, "4")
    assert response.headers["Content-Type"] == "application/problem+json"


def test_use_case_in_this_process_gets_it_too(guard: Guarded) -> None:
    """So that the binding can wait, or look elsewhere."""
    guard(FIRST_TABLE, MOVED)
    with pytest.raises(Moved):
        InventoryService().set_stock(COMMAND)

"""Dry transactions: they write where the module has no authority, and PostgreSQL never commits."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from modules.extraction import targets
from modules.extraction.protocol.errors import DRY
from tests.extraction.commands import done, pay, service_rows

pytestmark = [pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]
CHANGE = b"UPDATE payment_payment SET amount = amount + 1"
COUNT = "SELECT count(*), sum(amount) FROM payment_payment"


@pytest.fixture
def service(place: None) -> Iterator[psycopg.Connection]:
    """The service's own login, in a transaction, with two payments that are the monolith's."""
    pay(2)
    done("create")
    done("backfill")
    target = targets.known("payment")
    assert target is not None
    with psycopg.connect(make_conninfo(target.url, options="-c search_path=payment")) as opened:
        yield opened
        opened.rollback()


def begin_dry(service: psycopg.Connection) -> None:
    service.execute("SELECT payment_move.begin_dry()")


def refused(service: psycopg.Connection, statement: bytes) -> str:
    """The SQLSTATE with which it is refused; the transaction is over then."""
    with pytest.raises(psycopg.Error) as told:
        service.execute(statement)
    service.rollback()
    return told.value.sqlstate or ""


def test_dry_transaction_writes_and_can_not_commit(service: psycopg.Connection) -> None:
    """Whatever way it is tried; without it the guard refuses as ever."""
    _cannot_commit(service)
    _is_this_one_only(service)
    _replication_mode_is_no_way_around_it()


def _cannot_commit(service: psycopg.Connection) -> None:
    assert refused(service, CHANGE) == "MV002"
    begin_dry(service)
    assert service.execute(CHANGE).rowcount == 2
    assert refused(service, b"COMMIT") == DRY
    begin_dry(service)
    service.execute(CHANGE)
    assert refused(service, b"SET CONSTRAINTS ALL IMMEDIATE") == DRY
    begin_dry(service)
    service.execute(CHANGE)
    service.execute("DELETE FROM payment_move.dry")  # the trigger's event stays
    assert refused(service, b"COMMIT") == DRY
    begin_dry(service)
    service.execute(CHANGE)
    with pytest.raises(psycopg.Error):
        service.execute("PREPARE TRANSACTION 'sly'")
    service.rollback()
    assert service_rows(COUNT) == [(2, 200)]
    assert service_rows("SELECT count(*) FROM payment_move.dry") == [(0,)]


def _is_this_one_only(service: psycopg.Connection) -> None:
    """The setting alone is nothing; nor is one whose row was taken back by a savepoint."""
    service.execute("SELECT set_config('ficus.dry', 'payment', false)")
    assert refused(service, CHANGE) == "MV002"
    service.execute("SAVEPOINT one")
    begin_dry(service)
    service.execute(CHANGE)
    service.execute("ROLLBACK TO SAVEPOINT one")
    service.execute("SELECT set_config('ficus.dry', 'payment', true)")
    assert refused(service, CHANGE) == "MV002"
    assert service_rows(COUNT) == [(2, 200)]


def _replication_mode_is_no_way_around_it() -> None:
    """Nor is a superuser who turns triggers off for the session."""
    target = targets.known("payment")
    assert target is not None
    options = "-c search_path=payment -c session_replication_role=replica"
    with psycopg.connect(make_conninfo(target.admin_url, options=options)) as sly:
        begin_dry(sly)
        sly.execute(CHANGE)
        assert refused(sly, b"COMMIT") == DRY

"""An operator's click while its module's authority moves: held, sent again, acted upon once.

And without a database: a page that says so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import OperationalError, connections
from django.test import Client, RequestFactory

from modules.accounts.models import User
from modules.platform.backoffice.unavailable import answer_to
from modules.platform.contracts import Fenced
from modules.platform.databases.refusals import FENCED, MOVED
from modules.shipping.models import Holiday
from tests import plain
from tests.platform.backoffice.desk import STOCK, adjustments, audited, send, shelved, told
from tests.platform.databases.test_refusals import GUARD, UNGUARD
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import Got, Origin, ok
from tests.sessions import end_sessions

pytestmark = pytest.mark.django_db(transaction=True)
HOLDS = "ficus_proxy_held_commands_total"


@contextmanager
def guarded(state: str, schema: str = "inventory", table: str = "inventory_stock") -> Iterator[Any]:
    """Writes to stock are refused, as an extraction's triggers do it, until it is ``lifted``."""
    lifted = threading.Event()

    def run(statement: str) -> None:
        with connections[schema].cursor() as cursor:
            cursor.execute(statement.format(schema=schema, table=table, state=state))

    def lift() -> None:
        if not lifted.is_set():
            lifted.set()
            run(UNGUARD)

    run(GUARD)
    try:
        yield lift
    finally:
        lift()


@pytest.fixture
def chief() -> tuple[Client, str]:
    """Somebody who may do everything, and the session."""
    user = User.objects.create_superuser(email="root@shop.test", password="x")
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client, client.cookies["sessionid"].value


@pytest.mark.parametrize(
    ("state", "status", "header"), [(FENCED, 503, "Ficus-Fenced"), (MOVED, 421, "Ficus-Moved")]
)
def test_refused_click_is_answered_as_rest_answers(
    chief: tuple[Client, str], state: str, status: int, header: str
) -> None:
    """With the epoch, a page for people, nothing done and nothing in the audit log."""
    rows = shelved(a=5)
    with guarded(state):
        answer = send(chief[0], "adjust", rows, delta=-1, reason="broken")
    assert (answer.status_code, answer[header]) == (status, "4")
    assert b"inventory is being moved" in answer.content
    assert b"Traceback" not in answer.content
    assert (adjustments(), audited()) == ([], [])


def test_form_of_djangos_own_is_answered_so_too(chief: tuple[Client, str]) -> None:
    """Not only actions: what it has saved is rolled back, and it is not in the audit log."""
    page = "/admin/shipping/holiday/add/"
    with guarded(FENCED, "shipping", "shipping_holiday"):
        answer = chief[0].post(page, {"day": "2031-01-01", "name": "New Year"})
    assert (answer.status_code, answer["Ficus-Fenced"]) == (503, "4")
    assert not Holiday.objects.filter(day="2031-01-01").exists()
    assert audited() == []
    assert chief[0].post(page, {"day": "2031-01-01", "name": "New Year"}).status_code == 302


def test_refusal_of_a_called_module_is_not_this_pages() -> None:
    """The front door must not send the click again: a part of it may have been done."""
    request = RequestFactory().post("/admin/orders/order/")
    answer = answer_to(request, Fenced(module="payment", epoch=4))
    assert answer is not None
    assert (answer.status_code, "Ficus-Fenced" in answer) == (503, False)
    assert answer_to(request, ValueError()) is None
    assert answer_to(RequestFactory().post("/api/v1/payment"), Fenced(module="payment")) is None


@pytest.mark.parametrize(("method", "said"), [("GET", b"Load the page"), ("POST", b"look before")])
def test_lost_database_is_a_page_that_says_what_to_do(method: str, said: bytes) -> None:
    """A click may have done its work or not; a page is loaded again."""
    with connections["inventory"].cursor() as cursor:
        end_sessions(connections["inventory"].connection.info.backend_pid)
        with pytest.raises(OperationalError) as lost:
            cursor.execute("SELECT 1")
    connections["inventory"].close()
    request = RequestFactory().generic(method, "/admin/inventory/stock/")
    answer = answer_to(request, lost.value)
    assert answer is not None
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert said in answer.content


def test_click_that_has_done_a_part_is_not_sent_again(chief: tuple[Client, str]) -> None:
    """The rows that were refused are shown, as any refusal is."""
    rows = shelved(a=5, b=5)
    refuse_b = """
        CREATE FUNCTION inventory.test_guard() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.sku = 'b' THEN
                RAISE EXCEPTION 'not here' USING ERRCODE = 'MV001', DETAIL = 'epoch 4';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER test_guard BEFORE UPDATE ON inventory_stock
            FOR EACH ROW EXECUTE FUNCTION inventory.test_guard();
    """
    with connections["inventory"].cursor() as cursor:
        cursor.execute(refuse_b)
        try:
            answer = send(chief[0], "adjust", rows, delta=-1, reason="broken")
        finally:
            cursor.execute(UNGUARD.format(schema="inventory"))
    levels = dict(told(answer))
    assert "b in main: inventory is changing its authority" in levels["error"]
    assert [one[0] for one in adjustments()] == ["a"]


class Elsewhere:
    """The service's host: what reaches it, and ``done``."""

    def __call__(self, request: Got) -> bytes:
        return ok(b"done at the service")


@pytest.fixture
def door(live_server: Any, tmp_path: Path) -> Iterator[tuple[FrontDoor, Origin]]:
    """In front of this host's admin; with a service's host beside it."""
    service = Origin(Elsewhere())
    document = {
        "upstreams": {
            "monolith": {"instances": [{"address": live_server.url.removeprefix("http://")}]},
            "inventory": {"instances": [{"address": service.address}]},
        },
        "capabilities": {"inventory": {"monolith": "monolith", "service": "inventory"}},
        "routes": [
            {
                "name": "admin-inventory",
                "prefix": "/admin/inventory",
                "capability": "inventory",
                "authentication": "none",
            }
        ],
    }
    try:
        with front_door(tmp_path / "door", document) as running:
            yield running, service
    finally:
        service.close()


class Click:
    """An action sent to the front door by a browser, in a thread."""

    def __init__(self, door: FrontDoor, session: str, row: object) -> None:
        self.answer: httpx.Response | None = None
        fields = {
            "action": "adjust",
            "_selected_action": str(row),
            "delta": "-1",
            "reason": "broken",
            "token": "of-this-form",
            "csrfmiddlewaretoken": "c" * 32,
        }

        def click() -> None:
            cookies = {"sessionid": session, "csrftoken": "c" * 32}
            with plain.client(trust_env=False, timeout=20, cookies=cookies) as browser:
                self.answer = browser.post(door.url + STOCK, data=fields)

        self._thread = threading.Thread(target=click)
        self._thread.start()

    def come_back(self) -> httpx.Response:
        self._thread.join()
        assert self.answer is not None
        return self.answer


def _held(door: FrontDoor) -> None:
    for _ in range(2000):
        if door.metric(HOLDS, capability="inventory", result="held"):
            return
        threading.Event().wait(0.005)
    raise AssertionError("nothing is held")


@pytest.mark.processes
def test_click_in_a_fence_is_held_and_done_once(
    door: tuple[FrontDoor, Origin], chief: tuple[Client, str]
) -> None:
    """It comes while the module is fenced, and the operator sees what is always seen."""
    [row] = shelved(a=5)
    with guarded(FENCED) as lift:
        click = Click(door[0], chief[1], row.pk)
        _held(door[0])
        lift()
        answer = click.come_back()
    assert (answer.status_code, answer.headers["Location"]) == (302, STOCK)
    assert [one[1] for one in adjustments()] == [-1]
    assert len(audited()) == 1
    assert door[0].metric(HOLDS, capability="inventory", result="resent") >= 1


@pytest.mark.processes
def test_click_after_the_move_is_sent_to_the_service(
    door: tuple[FrontDoor, Origin], chief: tuple[Client, str]
) -> None:
    """A front door that has not heard waits until it has, and takes the whole form there."""
    [row] = shelved(a=5)
    with guarded(MOVED):
        click = Click(door[0], chief[1], row.pk)
        _held(door[0])
        told = {"phase": "extracted", "epoch": 4}
        assert door[0].admin("PATCH", "/-/capabilities/inventory", json=told).status_code == 200
        answer = click.come_back()
    assert (answer.status_code, answer.text) == (200, "done at the service")
    assert adjustments() == []
    assert b"token=of-this-form" in door[1].got[-1].body

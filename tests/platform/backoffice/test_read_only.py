"""Pages are read-only unless they say otherwise: whoever may do everything may not go round."""

from __future__ import annotations

import pytest
from django.test import Client

from modules.inventory.domain import NoticeKind
from modules.inventory.models import Movement, Notice, Reservation, Stock, Warehouse
from modules.inventory.service import notices, utc_now
from modules.shipping.models import Holiday
from tests.modules.inventory.shop import inventory, lines, reserving
from tests.platform.backoffice.conftest import LogIn
from tests.platform.backoffice.desk import shelved

pytestmark = pytest.mark.django_db
PAGES = pytest.mark.parametrize("model", [Warehouse, Stock, Reservation, Movement, Notice])
HOLIDAYS = "/admin/shipping/holiday/"


@pytest.fixture(autouse=True)
def sold() -> None:
    """A row in each of inventory's tables."""
    shelved(a=5)
    command = reserving(a=1)
    inventory.reserve(command)
    notices.note(command.order_id, NoticeKind.CONFIRMED, lines(a=1), now=utc_now())


def base(model: type) -> str:
    return f"/admin/inventory/{model.__name__.lower()}/"


@PAGES
def test_nothing_is_added(superuser: Client, model: type) -> None:
    """There is no form for it, and no row comes of sending one."""
    before = model.objects.count()  # type: ignore[attr-defined]
    assert superuser.get(f"{base(model)}add/").status_code == 403
    assert superuser.post(f"{base(model)}add/", {"sku": "b", "code": "b"}).status_code == 403
    assert model.objects.count() == before  # type: ignore[attr-defined]


@PAGES
def test_nothing_is_changed(superuser: Client, model: type) -> None:
    """The page of a row is shown without a way to save it, and refuses what is sent."""
    row = model.objects.first()  # type: ignore[attr-defined]
    url = f"{base(model)}{row.pk}/change/"
    page = superuser.get(url)
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    assert superuser.post(url, {"on_hand": 9, "sku": "b", "_save": ""}).status_code == 403
    now = model.objects.get(pk=row.pk)  # type: ignore[attr-defined]
    assert vars(now) | {"_state": 0} == vars(row) | {"_state": 0}


@PAGES
def test_nothing_is_deleted(superuser: Client, model: type) -> None:
    """Neither by its page nor by Django's own action."""
    row = model.objects.first()  # type: ignore[attr-defined]
    assert superuser.post(f"{base(model)}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert b"delete_selected" not in superuser.get(base(model)).content
    data = {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"}
    superuser.post(base(model), data)
    assert model.objects.filter(pk=row.pk).exists()  # type: ignore[attr-defined]


def test_rows_inside_a_page_are_read_only_too(superuser: Client) -> None:
    """An order's lines are seen with its reservation and have no inputs."""
    row = Reservation.objects.get()
    text = superuser.get(f"{base(Reservation)}{row.pk}/change/").content.decode()
    assert "Reservation lines" in text
    assert 'name="lines-0-quantity"' not in text


def test_editable_page_follows_the_permissions(superuser: Client, log_in: LogIn) -> None:
    """``editable`` opens a page to those who may, and to nobody else."""
    day = {"day": "2026-12-25", "name": "Christmas"}
    assert log_in("view_holiday").post(f"{HOLIDAYS}add/", day).status_code == 403
    assert not Holiday.objects.exists()
    superuser.post(f"{HOLIDAYS}add/", day)
    assert Holiday.objects.get().name == "Christmas"

"""The admin's menu: what runs elsewhere is in it, for those who may see it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.platform.backoffice.conftest import LogIn
from tests.platform.example import EXAMPLE

pytestmark = pytest.mark.django_db


@pytest.fixture
def _example_elsewhere(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop does not compose the example any more: no pages of its own, only the address."""
    from django.contrib import admin

    reverse("admin:index")  # the addresses are made once, for all tests: of the whole site
    settings.FICUS_ELSEWHERE = (EXAMPLE,)
    own = {
        model: page
        for model, page in admin.site._registry.items()
        if model._meta.app_label != EXAMPLE
    }
    monkeypatch.setattr(admin.site, "_registry", own)


def links(client: Client, address: str) -> list[str]:
    return re.findall(r'href="(/admin/[^"]*)"', client.get(address).content.decode())


@pytest.mark.usefixtures("_example_elsewhere")
def test_a_module_that_is_elsewhere_is_listed(superuser: Client) -> None:
    """In the index and in the menu, by its name, with its address; others as they were."""
    for address in ("/admin/", "/admin/menu/"):
        found = links(superuser, address)
        assert f"/admin/{EXAMPLE}/" in found
        assert f"/admin/{EXAMPLE}/stock/" not in found
        assert "/admin/orders/order/" in found
    assert "Inventory" in superuser.get("/admin/").content.decode()


@pytest.mark.usefixtures("_example_elsewhere")
def test_it_is_for_those_who_may_see_it(log_in: LogIn) -> None:
    """Any permission of the module will do; without one there is no entry."""
    assert f"/admin/{EXAMPLE}/" in links(log_in("view_stock", "view_shipment"), "/admin/")


@pytest.mark.usefixtures("_example_elsewhere")
def test_others_do_not_see_it(log_in: LogIn) -> None:
    """Somebody who sends parcels."""
    found = links(log_in("view_shipment"), "/admin/")
    assert f"/admin/{EXAMPLE}/" not in found
    assert "/admin/shipping/" in found


def test_the_menu_says_where_one_is(superuser: Client) -> None:
    """Of one entry, as on the page itself; whatever is asked, it is text and no more."""
    page = superuser.get("/admin/menu/", {"at": "/admin/orders/order/1/change/"}).content.decode()
    assert page.count(" current-model") == 1
    evil = superuser.get("/admin/menu/", {"at": '"><script>alert(1)</script>'}).content.decode()
    assert "<script" not in evil


def test_the_menu_is_for_staff(client: Client) -> None:
    """Others are sent to the log-in."""
    assert client.get("/admin/menu/").status_code == 302


def test_a_refusal_says_who_and_why(log_in: LogIn) -> None:
    """The same page in every host."""
    answer = log_in("view_shipment").get("/admin/inventory/stock/")
    assert answer.status_code == 403
    text = answer.content.decode()
    assert "op@shop.test has no permission for /admin/inventory/stock/" in text
    assert "payment-viewer" in text


FOUND = f"""
import sys
import django
from django.core import checks

def found():
    return "modules.{EXAMPLE}.admin" in sys.modules

django.setup()
import shop.celery
print(found())
checks.run_checks(tags=["admin"])
print(found())
"""


def test_pages_are_found_by_addresses_and_checks_alone() -> None:
    """A worker starts without them; ``manage.py check`` looks at them, though it has no address."""
    ran = subprocess.run(
        [sys.executable, "-c", FOUND],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "shop.settings.test"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["False", "True"]

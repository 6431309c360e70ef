"""Placements in the admin: seen by operators, changed by those who may, through the use case."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from modules.accounts.models import User
from modules.platform.placement import table
from tests.platform.example import EXAMPLE
from tests.platform.placement.instances import enlist

pytestmark = pytest.mark.django_db
PAGE = "/admin/placement/placement/"


@pytest.fixture(autouse=True)
def _placed() -> None:
    table.swap(EXAMPLE, percent=10, actor="console", reason="to begin with")


def _staff(*permissions: str) -> Client:
    user = User.objects.create_user(email="op@shop.test", password="x")
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _move(client: Client, percent: str, reason: str = "errors went up") -> str:
    data = {"action": "move", "_selected_action": [EXAMPLE], "reason": reason}
    answer = client.post(PAGE, data | {"percent": percent}, follow=True)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def _percent() -> int:
    return table.placements()[EXAMPLE].percent


def test_operator_who_may_moves_with_a_reason() -> None:
    """Who and why stand in the table, its log and the admin's."""
    enlist()
    client = _staff("view_placement", "view_placementchange", "place_placement")

    text = _move(client, "60")

    assert "10 -&gt; 60 %" in text
    entry = table.entries()[EXAMPLE]
    assert (entry.percent, entry.reason) == (60, "errors went up")
    assert "op@shop.test" in entry.actor
    (message,) = LogEntry.objects.values_list("change_message", flat=True)
    assert message == "Have the service do a share of the work: errors went up"
    log = client.get("/admin/placement/placementchange/").content.decode()
    assert "errors went up" in log
    assert "to begin with" in log


def test_refusal_of_the_use_case_is_shown() -> None:
    """Nobody would do the work."""
    text = _move(_staff("view_placement", "place_placement"), "60")
    assert f"No live instance of {EXAMPLE}" in text
    assert _percent() == 10


@pytest.mark.parametrize(("percent", "reason"), [("101", "because"), ("", "because"), ("5", "")])
def test_form_that_is_not_right_is_asked_again(percent: str, reason: str) -> None:
    """And nothing is done."""
    enlist()
    _move(_staff("view_placement", "place_placement"), percent, reason)
    assert _percent() == 10


def test_operator_who_may_only_look_changes_nothing() -> None:
    """Neither by the action nor by a form."""
    enlist()
    client = _staff("view_placement", "change_placement", "delete_placement", "add_placement")
    assert "to begin with" in client.get(PAGE).content.decode()
    _move(client, "60")
    client.post(f"{PAGE}{EXAMPLE}/change/", {"percent": "60"})
    client.post(f"{PAGE}{EXAMPLE}/delete/", {"post": "yes"})
    assert _percent() == 10
    assert client.get(f"{PAGE}add/").status_code == 403

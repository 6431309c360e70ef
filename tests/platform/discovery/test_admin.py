"""The registry's page in the admin: seen by operators, steered by those who may."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db.models import F
from django.test import Client

from modules.accounts.models import User
from modules.platform.discovery import registry
from modules.platform.discovery.admin import age_text
from modules.platform.discovery.models import RegisteredInstance
from modules.platform.discovery.registry import State
from tests.platform.discovery.serving import FINGERPRINT, PAYMENT, said

pytestmark = pytest.mark.django_db
PAGE = "/admin/discovery/registeredinstance/"


def _staff(*permissions: str) -> Client:
    user = User.objects.create_user(email="op@shop.test", password="x")
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _text(client: Client) -> str:
    answer = client.get(PAGE)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def _act(client: Client, action: str, id: str) -> None:
    data = {"action": action, "_selected_action": [id], "reason": "answers with errors"}
    client.post(PAGE, data, follow=True)


def test_page_shows_state_age_and_load() -> None:
    """One query for them all, by the database's clock."""
    for id in ("live-1", "gone-1", "out-1"):
        registry.register(id, said(), issuer="payment")
    registry.heartbeat("live-1", issuer="payment", in_flight=3)
    silent = RegisteredInstance.objects.filter(id="gone-1")
    hour = timedelta(minutes=60)
    silent.update(seen_at=F("seen_at") - hour, expires_at=F("expires_at") - hour)
    registry.drop("out-1", reason="misbehaves")

    text = _text(_staff("view_registeredinstance"))

    for shown in ("live-1", "live", "3 of 8", "expired", "60 min ago", "dropped", "? of 8"):
        assert shown in text, shown


@pytest.mark.parametrize(
    ("age", "text"),
    [(-1, "0.0 s ago"), (4.23, "4.2 s ago"), (130, "2 min ago"), (9000, "2 h ago")],
)
def test_age_in_words(age: float, text: str) -> None:
    """The unit that people would use."""
    assert age_text(timedelta(seconds=age)) == text


def test_operator_who_may_drops_and_restores_with_a_reason() -> None:
    """It is in the audit log, with the reason and who it was."""
    registry.register("payment-1", said(), issuer="payment")
    client = _staff("view_registeredinstance", "drop_registeredinstance")

    _act(client, "drop", "payment-1")
    one = registry.entry("payment-1")
    assert (one.state, one.drop_reason) == (State.DROPPED, "answers with errors")
    assert "op@shop.test" in one.dropped_by

    _act(client, "restore", "payment-1")
    assert registry.entry("payment-1").state is State.LIVE
    messages = list(LogEntry.objects.order_by("id").values_list("change_message", flat=True))
    assert messages == [
        "List it no longer: answers with errors",
        "List it again: answers with errors",
    ]


def test_operator_who_may_only_look_changes_nothing() -> None:
    """Neither by the action nor by a form."""
    registry.register("payment-1", said(), issuer="payment")
    client = _staff("view_registeredinstance")

    _act(client, "drop", "payment-1")

    assert registry.entry("payment-1").state is State.LIVE
    assert client.get(f"{PAGE}add/").status_code == 403
    assert client.post(f"{PAGE}payment-1/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{PAGE}payment-1/change/", {"url": "http://evil"}).status_code == 403


def test_announced_contracts_are_shown() -> None:
    """A list without their texts, and a page with."""
    registry.announce_contract(FINGERPRINT, "payment", PAYMENT)
    client = _staff("view_announcedcontract")
    page = "/admin/discovery/announcedcontract/"

    assert FINGERPRINT in client.get(page).content.decode()
    assert "AuthorizePayment" in client.get(f"{page}{FINGERPRINT}/change/").content.decode()

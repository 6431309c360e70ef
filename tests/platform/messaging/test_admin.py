"""The operators' pages: every module's tables on one page, changed only with a reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from modules.platform.messaging import schedule
from modules.platform.messaging.database import rows
from modules.platform.messaging.testing import dead_letters, drain
from tests.platform.messaging.ledgers import SOURCE, TYPE, Ledger, publish_now, ran_low
from tests.platform.messaging.test_timers import soon

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def operator() -> Client:
    """Logged in, may do everything."""
    user = get_user_model().objects.create_superuser(email="ada@shop.test", password="x")
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def dead_key(ledger: Ledger) -> UUID:
    key = uuid4()
    ledger.fail = lambda event: TypeError("wrong") if event.available == 1 else None
    publish_now(ran_low(key, 1), ran_low(key, 2))
    drain()
    ledger.fail = lambda event: None
    return key


def page(client: Client, name: str, **query: str) -> str:
    answer = client.get(reverse(f"admin:messaging_{name}_changelist"), query)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def test_subscriptions_of_all_modules_are_on_one_page(operator: Client, ledger: Ledger) -> None:
    """With their lag."""
    publish_now(ran_low())
    drain()
    text = page(operator, "subscription")
    assert TYPE in text
    assert TYPE not in page(operator, "subscription", module="cart")


def test_story_of_a_key_is_shown(operator: Client, ledger: Ledger) -> None:
    """All its events, none of others."""
    key, other = uuid4(), uuid4()
    publish_now(ran_low(key), ran_low(other))
    text = page(operator, "outboxevent", key=str(key))
    assert str(key) in text
    assert str(other) not in text


def test_timers_are_shown(operator: Client, ledger: Ledger) -> None:
    """What will happen when."""
    schedule("orders", key="k-1", type="hold", payload={"n": 1}, due_at=soon(5))
    assert "k-1" in page(operator, "timer")


@pytest.mark.parametrize("verb", ["skip", "resolve"])
def test_dead_letter_is_settled_with_a_reason(
    operator: Client, ledger: Ledger, dead_key: UUID, verb: str
) -> None:
    """From its group; what waited goes on; the audit tells who and why."""
    [letter] = dead_letters()
    assert letter.fingerprint in page(operator, "parkedevent")
    chosen = f"orders|{SOURCE}|{letter.fingerprint}"
    steer(operator, verb, chosen, "it was a test order")
    drain()
    assert ledger.of(dead_key) == [2]
    assert rows("orders", "SELECT verb, reason FROM bus_audit") == [(verb, "it was a test order")]
    assert "it was a test order" in page(operator, "steering")


def test_single_letter_is_replayed(operator: Client, ledger: Ledger, dead_key: UUID) -> None:
    """From the list of its key."""
    assert "TypeError" in page(operator, "parkedevent", key=str(dead_key))
    [(number,)] = rows("orders", "SELECT id FROM bus_parked WHERE state = 'dead'")
    steer(operator, "replay", f"orders#{number}", "fixed")
    assert ledger.of(dead_key) == [1, 2]


def test_no_reason_no_change(operator: Client, ledger: Ledger, dead_key: UUID) -> None:
    """Said to the operator."""
    [letter] = dead_letters()
    text = steer(operator, "skip", f"orders|{SOURCE}|{letter.fingerprint}", " ")
    assert "say why" in text
    assert len(dead_letters()) == 1


def test_viewer_may_not_steer(ledger: Ledger, dead_key: UUID) -> None:
    """Seeing and changing are two permissions."""
    user: Any = get_user_model().objects.create_superuser(email="eve@shop.test", password="x")
    user.is_superuser = False
    user.save()
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    url = reverse("admin:messaging_parkedevent_changelist")
    assert client.get(url).status_code == 403
    assert client.post(url, {"verb": "skip", "chosen": "x"}).status_code == 403


def steer(client: Client, verb: str, chosen: str, reason: str) -> str:
    url = reverse("admin:messaging_parkedevent_changelist")
    data = {"verb": verb, "chosen": chosen, "reason": reason}
    return client.post(url, data, follow=True).content.decode()

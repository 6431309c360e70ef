"""Operators see payments with all that happened, and move money by use cases with a reason."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from modules.payment.contract import PaymentState
from modules.platform.rest.identifiers import ids
from tests.modules.payment.records import payment

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/payment/payment/"


@pytest.fixture
def operator():
    """A client logged in as a superuser."""
    user = get_user_model().objects.create_superuser("op@example.com", "x")
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def taken(service, authorize, capture):
    service.authorize(authorize())
    return service.capture(capture())


def act(client, name: str, record, **more):
    data = {"action": name, "_selected_action": str(record.id)} | more
    return client.post(LIST, data, follow=True)


def test_the_list_shows_payments(operator, taken, order_id):
    """With the order's id as customers know it."""
    page = operator.get(LIST)
    assert page.status_code == 200
    assert ids("ord").text(order_id) in page.content.decode()


@pytest.mark.parametrize("kind", ["order", "payment", "reference"])
def test_a_payment_is_found_by_any_of_its_names(operator, taken, order_id, kind):
    """Its own id, its order's, and the provider's reference."""
    names = {
        "order": ids("ord").text(order_id),
        "payment": ids("pay").text(taken.id),
        "reference": payment(order_id).reference,
    }
    page = operator.get(LIST, {"q": names[kind]})
    assert f"{LIST}{taken.id}/" in page.content.decode()
    assert f"{LIST}{taken.id}/" not in operator.get(LIST, {"q": "ord_zz"}).content.decode()


def test_a_payment_shows_its_attempts_and_ledger(operator, taken):
    """The whole story is on one page, and nothing of it can be edited."""
    page = operator.get(f"{LIST}{taken.id}/change/").content.decode()
    assert "authorize" in page
    assert "authorization" in page
    assert 'name="_save"' not in page


def test_a_refund_asks_for_a_reason_first(operator, standin, taken, order_id):
    """The first click moves nothing."""
    page = act(operator, "refund", taken)
    assert 'name="reason"' in page.content.decode()
    assert standin.operations(order_id, "refund") == []


def test_a_refund_with_a_reason_is_made(operator, taken, order_id):
    """The second click refunds all that is left, with the reason on record."""
    act(operator, "refund", taken, reason="goodwill")
    assert payment(order_id).state == PaymentState.REFUNDED
    assert payment(order_id).refunds.get().reason == "goodwill"


def test_an_operators_error_is_shown(operator, taken, order_id):
    """What the use case refuses is said on the page; nothing breaks."""
    page = act(operator, "void", taken, reason="fraud")
    assert "cannot be voided" in page.content.decode()


@pytest.mark.parametrize(("name", "state"), [("capture", "captured"), ("void", "voided")])
def test_captures_and_voids(name, state, operator, service, authorize, order_id):
    """The other two acts."""
    record = service.authorize(authorize())
    act(operator, name, record, reason="by phone")
    assert payment(order_id).state == state


@pytest.mark.parametrize("name", ["capture", "void"])
def test_an_act_is_on_the_selected_payment(
    name, operator, standin, declined, service, authorize, order_id
):
    """Selecting a declined payment does not move the money of the one beside it."""
    held = service.authorize(authorize())
    page = act(operator, name, declined, reason="by phone")
    assert "is not the one that stands" in page.content.decode()
    assert service.payments(order_ids=(order_id,)) == (declined, held)
    assert standin.operations(order_id, name) == []


def test_a_refund_is_of_the_selected_payment(operator, standin, declined, taken, service, order_id):
    """Selecting a declined payment does not refund the captured one beside it."""
    page = act(operator, "refund", declined, reason="goodwill")
    assert "is not the one that stands" in page.content.decode()
    assert service.payments(order_ids=(order_id,)) == (declined, taken)
    assert standin.operations(order_id, "refund") == []


def test_without_the_permission_there_is_no_refund(taken, order_id):
    """Seeing payments does not mean moving money."""
    user = get_user_model().objects.create_user("eve@example.com", "x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_payment"))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(LIST).status_code == 200
    act(client, "refund", taken, reason="for me")
    assert payment(order_id).state == PaymentState.CAPTURED


def test_the_inbox_is_listed(operator):
    """Parked webhooks are in sight."""
    assert operator.get("/admin/payment/webhookmessage/").status_code == 200

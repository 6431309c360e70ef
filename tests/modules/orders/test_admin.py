"""Orders' pages for operators."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from modules.accounts.models import User
from modules.notification.contract import Message, Notification, SendMessage
from modules.orders.contract import OrderState
from modules.orders.queries import get_order
from modules.orders.rest.serializers import ORDER
from modules.orders.service.cancellation import CancelOrder, cancel
from modules.orders.service.lifecycle import capture_failed
from modules.platform.binding import LocalRoute, routed
from modules.platform.contracts import Unavailable
from modules.platform.databases import atomic
from modules.platform.sagas import store
from modules.platform.sagas.saga import Status
from tests.modules.orders.conftest import Clock, buy, settle
from tests.modules.orders.fakes import World

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/admin/orders/order/"


def operator(*permissions: str) -> Client:
    user = User.objects.create_user("op@example.com", "pw", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def act(client: Client, action: str, order: Any, reason: str | None = "because") -> Any:
    data = {"action": action, "_selected_action": [str(order.id)]}
    if reason is not None:
        data["reason"] = reason
    return client.post(URL, data)


def test_order_is_found_by_number_email_and_id(world: World) -> None:
    """In full, each by its index; anything else finds nothing."""
    order = buy(world.new_cart()).order
    other = buy(world.new_cart()).order
    client = operator("view_order")
    for term, hits in [
        (order.number.lower(), 1),
        ("Ada@example.com", 2),
        (ORDER.text(order.id), 1),
        (str(order.id), 1),
        ("FC-22222-22222", 0),
        ("ord_nonsense", 0),
    ]:
        page = client.get(URL, {"q": term}).content.decode()
        assert (order.number in page) + (other.number in page) == hits, term


def test_page_shows_everything_about_an_order(world: World) -> None:
    """Lines, timeline, saga, and what the other modules have of it."""
    order = buy(world.new_cart(apple=2)).order
    page = operator("view_order", "view_orderline", "view_timelineentry", "view_return").get(
        f"{URL}{order.id}/change/"
    )
    text = page.content.decode()
    for expected in (order.number, "A apple", "confirmed", "place_order: placed", "card_ok"):
        assert expected in text


class Silent:
    """Notification, which does not answer."""

    def send(self, command: SendMessage) -> Message:
        raise Unavailable()

    def messages(self, *, order_ids: tuple[UUID, ...]) -> tuple[Message, ...]:
        raise Unavailable()


def test_page_says_which_module_does_not_answer(world: World) -> None:
    """Notification is down; the page is not."""
    order = buy(world.new_cart()).order
    with routed(Notification, LocalRoute(Silent())):
        text = operator("view_order").get(f"{URL}{order.id}/change/").content.decode()
    assert "notification does not answer" in text


def test_operator_cancels_with_a_reason(world: World) -> None:
    """First the question, then the act and its audit row."""
    order = buy(world.new_cart()).order
    client = operator("view_order", "cancel_order")
    assert "Why?" in act(client, "cancel_orders", order, None).content.decode()
    assert get_order(order.id).state is OrderState.CONFIRMED
    act(client, "cancel_orders", order, "fraud")
    assert get_order(order.id).state is OrderState.CANCELLED
    assert "fraud" in LogEntry.objects.get().change_message


def test_operator_without_permission_cannot_cancel(world: World) -> None:
    """The action is not offered, and posting it does nothing."""
    order = buy(world.new_cart()).order
    act(operator("view_order"), "cancel_orders", order)
    assert get_order(order.id).state is OrderState.CONFIRMED


def test_operator_marks_a_flagged_order_as_reviewed(world: World) -> None:
    """It goes on where it stands."""
    order = buy(world.new_cart()).order
    with atomic("orders"):
        capture_failed(order.id, reason="expired")
    act(operator("view_order", "review_order"), "mark_as_reviewed", order, "paid by transfer")
    assert get_order(order.id).state is OrderState.CONFIRMED


def test_operator_retries_what_is_stuck(world: World, clock: Clock) -> None:
    """A compensation that was left to a person is tried again and ends."""
    from modules.payment.contract import NotCapturable, PaymentState

    order = buy(world.new_cart(), clock=clock).order
    world.always["payment.cancel"] = NotCapturable(order_id=order.id, state=PaymentState.CAPTURED)
    cancel(CancelOrder(order_id=order.id, reason="", actor="me"), clock=clock)
    settle(clock)
    assert get_order(order.id).state is OrderState.NEEDS_REVIEW
    world.always.clear()
    act(operator("view_order", "review_order"), "retry_sagas", order)
    settle(clock)
    assert get_order(order.id).state is OrderState.CANCELLED
    assert all(saga.status is Status.DONE for saga in store.about("orders", str(order.id)))


def test_nobody_edits_orders_by_hand(world: World) -> None:
    """Not even a superuser."""
    User.objects.create_superuser("root@example.com", "pw")
    client = Client()
    client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    order = buy(world.new_cart()).order
    assert client.get(f"{URL}add/").status_code == 403
    assert client.post(f"{URL}{order.id}/change/", {"state": "closed"}).status_code == 403
    assert client.post(f"{URL}{order.id}/delete/", {"post": "yes"}).status_code == 403


def test_list_costs_a_constant_number_of_queries(
    world: World, django_assert_max_num_queries: Any
) -> None:
    """Whatever its length."""
    for _ in range(5):
        buy(world.new_cart(apple=1, pear=1))
    client = operator("view_order")
    with django_assert_max_num_queries(4, using="orders"):
        assert client.get(URL).status_code == 200

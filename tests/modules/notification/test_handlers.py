"""What notification says about what happened elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from modules.accounts.contract import CustomerRegistered
from modules.notification.contract import ContactUnknown, MessageState
from modules.notification.domain import REFUND_PATIENCE
from modules.notification.models import MessageRow, OrderContact, WebhookEndpoint
from modules.orders.contract import (
    OrderCancelled,
    OrderConfirmed,
    OrderFailed,
    OrderPartiallyCancelled,
    OrderReturned,
)
from modules.payment.contract import PaymentRefunded
from modules.platform.databases import atomic
from modules.platform.messaging import publish
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.messaging.testing import drain
from modules.shipping.contract import ShipmentDispatched, ShipmentLine
from tests.modules.notification.world import Clock, Post, confirmed, eur, hear, line

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


def cancelled(order: OrderConfirmed, refunded: int = 0) -> OrderCancelled:
    return OrderCancelled(
        order_id=order.order_id,
        number=order.number,
        owner=order.owner,
        email=order.email,
        locale=order.locale,
        reason="changed my mind",
        refunded=eur(refunded),
    )


def returned(order: OrderConfirmed, refunded: int) -> OrderReturned:
    return OrderReturned(
        order_id=order.order_id,
        number=order.number,
        owner=order.owner,
        email=order.email,
        locale=order.locale,
        lines=(line(),),
        refunded=eur(refunded),
    )


def money_back(order: OrderConfirmed, amount: int, total: int) -> PaymentRefunded:
    return PaymentRefunded(
        order_id=order.order_id,
        payment_id=uuid4(),
        refund_id=uuid4(),
        amount=eur(amount),
        refunded=eur(total),
    )


def shipped(order: OrderConfirmed, **changes: Any) -> ShipmentDispatched:
    fields: dict[str, Any] = {
        "order_id": order.order_id,
        "shipment_id": uuid4(),
        "lines": (ShipmentLine(sku="TEA", name="Tea", quantity=2),),
        "tracking_number": "1Z999",
        "tracking_url": "https://track.example.com/1Z999",
        "complete": True,
    }
    return ShipmentDispatched(**(fields | changes))


def subjects(post: Post) -> list[str]:
    return [mail["Subject"] for mail in post.mails]


def test_an_order_by_an_austrian_is_confirmed_in_german(
    post: Post, sender: Callable[[], int]
) -> None:
    """de-AT falls back to de; numbers and dates are written as there."""
    hear(confirmed(locale="de-AT"))
    sender()
    (mail,) = post.mails
    assert mail["Subject"] == "Ihre Bestellung F-1001 ist bestätigt"
    text = mail.get_body(("plain",)).get_content()
    assert "7. März 2025" in text
    assert "1.234,56 EUR" in text


def test_a_locale_nobody_translated_gets_english(post: Post, sender: Callable[[], int]) -> None:
    """fr falls back to en."""
    hear(confirmed(locale="fr-CA"))
    sender()
    assert subjects(post) == ["Order F-1001 is confirmed"]


def test_a_parcel_is_announced_to_the_order_s_contact(
    post: Post, sender: Callable[[], int]
) -> None:
    """ShipmentDispatched carries no address; OrderConfirmed did."""
    order = confirmed()
    hear(order)
    hear(shipped(order))
    sender()
    mail = post.mails[-1]
    assert mail["To"] == order.email
    assert "F-1001 is on its way" in mail["Subject"]
    assert "https://track.example.com/1Z999" in mail.get_body(("plain",)).get_content()


def test_each_parcel_is_a_mail_of_its_own(post: Post, sender: Callable[[], int]) -> None:
    """Two shipments are two events."""
    order = confirmed()
    hear(order)
    hear(shipped(order, complete=False))
    hear(shipped(order))
    sender()
    assert len(post.mails) == 3


def test_a_parcel_of_an_unknown_order_is_left_to_the_bus_to_try_again() -> None:
    """The order's own event comes by another way and may be later."""
    with pytest.raises(ContactUnknown) as failure:
        hear(shipped(confirmed()))
    assert failure.value.retryable


def test_a_refund_on_its_own_is_told(post: Post, sender: Callable[[], int], clock: Clock) -> None:
    """Staff gave something back: the customer hears of it, after the patience."""
    order = confirmed()
    hear(order)
    hear(money_back(order, 500, 500))
    sender()
    assert len(post.mails) == 1
    clock.advance(seconds=REFUND_PATIENCE.total_seconds() + 1)
    sender()
    assert subjects(post)[1:] == ["Refund for order F-1001"]
    assert "5.00 EUR" in post.mails[-1].get_body(("plain",)).get_content()


@pytest.mark.parametrize("order_first", [True, False])
def test_a_refund_that_the_cancellation_tells_is_not_told_again(
    post: Post, sender: Callable[[], int], clock: Clock, order_first: bool
) -> None:
    """One mail about the cancelled order, whichever event comes first."""
    order = confirmed()
    hear(order)
    events = [cancelled(order, 123456), money_back(order, 123456, 123456)]
    for event in events if order_first else reversed(events):
        hear(event)
    clock.advance(seconds=REFUND_PATIENCE.total_seconds() + 1)
    sender()
    assert subjects(post)[1:] == ["Order F-1001 is cancelled"]
    row = MessageRow.objects.get(template="order_refunded")
    assert row.state == MessageState.SUPPRESSED


def test_a_refund_beyond_what_was_told_is_told(
    post: Post, sender: Callable[[], int], clock: Clock
) -> None:
    """A return of 10.00, then 5.00 by hand, then another return: three mails, no more."""
    order = confirmed()
    hear(order)
    hear(returned(order, 1000))
    hear(money_back(order, 1000, 1000))
    hear(money_back(order, 500, 1500))
    clock.advance(seconds=REFUND_PATIENCE.total_seconds() + 1)
    sender()
    hear(returned(order, 700))
    hear(money_back(order, 700, 2200))
    clock.advance(seconds=REFUND_PATIENCE.total_seconds() + 1)
    sender()
    assert sorted(subjects(post)[1:]) == [
        "Refund for order F-1001",
        "We have your return for order F-1001",
        "We have your return for order F-1001",
    ]
    assert OrderContact.objects.get().refund_told == 2200


def test_failed_and_partly_cancelled_orders_are_told(post: Post, sender: Callable[[], int]) -> None:
    """Each has words of its own."""
    order = confirmed()
    common = {
        "order_id": order.order_id,
        "number": order.number,
        "owner": order.owner,
        "email": order.email,
        "locale": order.locale,
    }
    hear(OrderFailed(**common, failure_code="payment.declined"))
    hear(OrderPartiallyCancelled(**common, lines=(line(),), refunded=eur(1000)))
    sender()
    assert sorted(subjects(post)) == [
        "Order F-1001 could not be placed",
        "Part of order F-1001 is cancelled",
    ]


def test_a_new_customer_is_welcomed_and_may_unsubscribe(
    post: Post, sender: Callable[[], int]
) -> None:
    """The welcome is no part of a sale: it carries one-click headers."""
    hear(
        CustomerRegistered(
            customer_id=uuid4(), email="eve@example.com", full_name="Eve", locale="en"
        )
    )
    sender()
    (mail,) = post.mails
    assert mail["List-Unsubscribe"].startswith("<http")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_webhook_endpoint_hears_what_it_listens_for() -> None:
    """One message per endpoint and event, queued with the mail."""
    url = "https://hooks.example.com/in"
    WebhookEndpoint.objects.create(url=url, secret="whsec_eA==", templates=["order_confirmed"])
    WebhookEndpoint.objects.create(
        url="https://other.example.com/in", secret="whsec_eA==", templates=["order_shipped"]
    )
    event, event_id = confirmed(), uuid4()
    hear(event, event_id)
    hear(event, event_id)
    assert list(MessageRow.objects.filter(channel="webhook").values_list("recipient")) == [(url,)]


def test_events_on_the_bus_become_one_task_and_their_mails(
    post: Post, port: int, broker: InlineCarrier, settings: Any
) -> None:
    """From a colleague's transaction over the real bus to the SMTP server, once each."""
    settings.SMTP_URL = f"smtp://127.0.0.1:{port}"
    with atomic("accounts"):
        for number in range(30):
            publish(
                CustomerRegistered(
                    customer_id=uuid4(),
                    email=f"c{number}@example.com",
                    full_name="",
                    locale="en",
                )
            )
    drain()
    recipients = [mail["To"] for mail in post.mails]
    assert len(recipients) == len(set(recipients)) == 30
    assert len(post.sessions) == 1, "one sender, one connection"

"""The port ``Notification``, by every way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from modules.notification import wording
from modules.notification.bootstrap import bootstrap
from modules.notification.contract import (
    Channel,
    MessageState,
    Notification,
    SendMessage,
    TemplateUnknown,
    Variable,
)
from modules.notification.service import NotificationService
from modules.platform.binding import CallInsideTransaction, use
from modules.platform.databases import atomic
from modules.platform.messaging.carrier import InlineCarrier, carried_by
from tests.contracts.ways import Way

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def notification(way: Way) -> Iterator[Notification]:
    wording.forget_cached()
    bootstrap()
    with (
        carried_by(InlineCarrier()),
        way(Notification, NotificationService()),
    ):
        yield use(Notification)


def message(**changes: Any) -> SendMessage:
    fields: dict[str, Any] = {
        "idempotency_key": "accounts:1",
        "template": "verify_email",
        "recipient": "ada@example.com",
        "owner": "customer:1",
        "locale": "de-AT",
        "order_id": uuid4(),
        "variables": (Variable(name="link", value="https://x.test", secret=True),),
    }
    return SendMessage(**(fields | changes))


def test_a_message_is_queued_at_once(notification: Notification) -> None:
    """What comes back is what was asked for."""
    command = message()
    queued = notification.send(command)
    assert (queued.state, queued.attempts, queued.sent_at) == (MessageState.QUEUED, 0, None)
    assert (queued.template, queued.recipient) == ("verify_email", "ada@example.com")
    assert (queued.channel, queued.order_id) == (Channel.EMAIL, command.order_id)


def test_the_same_key_is_the_same_message(notification: Notification) -> None:
    """Callers may repeat themselves."""
    command = message()
    assert notification.send(command) == notification.send(command)


def test_an_unknown_template_is_named(notification: Notification) -> None:
    """The error keeps its field on the way."""
    with pytest.raises(TemplateUnknown) as failure:
        notification.send(message(template="gone"))
    assert failure.value.template == "gone"


def test_messages_are_found_by_their_orders(notification: Notification) -> None:
    """Oldest first; of no order none."""
    first = notification.send(message(idempotency_key="1"))
    second = notification.send(message(idempotency_key="2"))
    assert first.order_id is not None
    assert second.order_id is not None
    found = notification.messages(order_ids=(second.order_id, first.order_id))
    assert found == (first, second)
    assert notification.messages(order_ids=()) == ()


def test_a_call_inside_a_transaction_is_refused(notification: Notification) -> None:
    """It may be a network away."""
    with pytest.raises(CallInsideTransaction), atomic("accounts"):
        notification.send(message())

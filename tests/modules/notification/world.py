"""A real SMTP server, a clock, and events as other modules publish them."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from modules.notification.handlers import HANDLERS
from modules.orders.contract import OrderConfirmed, OrderLine
from modules.platform.contracts import Envelope as EventEnvelope
from modules.platform.contracts import Event, Money, PostalAddress
from modules.platform.databases import atomic
from modules.platform.messaging.context import on_behalf_of
from tests.ports import free_port

EUR = "EUR"


class Post:
    """What the SMTP server got, and how it answers: ``answers`` are used up first."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: list[str] = []
        self.refuse: dict[str, str] = {}
        self.sessions: set[int] = set()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.sessions.add(id(session))
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


class Clock:
    """The real time and what tests add to it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, **units: float) -> None:
        self.ahead += timedelta(**units)


@contextmanager
def smtp_server(post: Post, port: int = 0) -> Iterator[int]:
    """A real SMTP server in a thread; its port."""
    port = port or free_port()
    controller = Controller(post, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def envelope_of(event: Event, event_id: UUID | None = None) -> EventEnvelope:
    return EventEnvelope(
        id=event_id or uuid4(),
        source="/test",
        type=event.type_name(),
        subject=event.key(),
        time=datetime.now(UTC),
    )


def hear(event: Event, event_id: UUID | None = None) -> None:
    """Handle the event as the bus would: in a transaction, with its envelope."""
    with on_behalf_of(envelope_of(event, event_id)), atomic("notification"):
        for handler in HANDLERS[type(event)]:
            handler(event)


def eur(amount: int) -> Money:
    return Money(amount=amount, currency=EUR)


def line(name: str = "Tea <green>", quantity: int = 2, total: int = 1000) -> OrderLine:
    return OrderLine(
        sku="TEA",
        product_id=uuid4(),
        name=name,
        quantity=quantity,
        unit_price=eur(total // quantity),
        discount=eur(0),
        total=eur(total),
        tax=eur(0),
        weight_grams=100,
    )


def confirmed(**changes: Any) -> OrderConfirmed:
    """An order of two teas for Ada."""
    fields: dict[str, Any] = {
        "order_id": uuid4(),
        "number": "F-1001",
        "owner": f"customer:{uuid4()}",
        "email": "ada@example.com",
        "locale": "en",
        "lines": (line(),),
        "subtotal": eur(1000),
        "discount": eur(0),
        "shipping": eur(490),
        "tax": eur(238),
        "total": eur(123456),
        "shipping_method": "standard",
        "shipping_address": PostalAddress(
            name="Ada Lovelace", line1="1 Main St", city="London", country="GB"
        ),
        "placed_at": datetime(2025, 3, 7, 12, tzinfo=UTC),
    }
    return OrderConfirmed(**(fields | changes))

"""What orders and payment hear of each other here: each event becomes a row of a ledger.

The rows are written in the transaction of the batch, so they are rolled back with it. Payment
answers each event of orders with one of its own, published in that same transaction: what is lost
or doubled on the way there shows on the way back as well.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from modules.orders.contract import OrderNeedsReview
from modules.payment.contract import PaymentDeclined, PaymentVoided

TABLE = """
CREATE TABLE bus_test_ledger
    (id bigint GENERATED ALWAYS AS IDENTITY, story text, key text, value bigint)
"""
# A story is what was published by one and heard by the other, counted up from 0 in each key.
ASKED, ANSWERED, TOLD = "asked", "answered", "told"
_forever = ExitStack()


def hear_question(event: OrderNeedsReview) -> None:
    """Payment writes it down and answers."""
    from modules.platform.messaging import publish

    _write("payment", ASKED, event.key(), event.reason)
    publish(
        PaymentDeclined(
            order_id=event.order_id, payment_id=event.order_id, decline_code=event.reason
        )
    )


def hear_answer(event: PaymentDeclined) -> None:
    """Orders writes the answer down."""
    _write("orders", ANSWERED, event.key(), event.decline_code)


def hear_news(event: PaymentVoided) -> None:
    """Orders writes down what payment published by itself."""
    _write("orders", TOLD, event.key(), event.reason)


def _write(module: str, story: str, key: str, value: str) -> None:
    from modules.platform.messaging.database import execute

    sql = "INSERT INTO bus_test_ledger (story, key, value) VALUES (%s, %s, %s)"
    execute(module, sql, [story, key, int(value)])


HEARS = {
    "orders": {PaymentDeclined: [hear_answer], PaymentVoided: [hear_news]},
    "payment": {OrderNeedsReview: [hear_question]},
}


class LedgerConfig(AppConfig):
    """Nothing is heard in this process but what stands above."""

    name = "tests.extracted.bus"
    label = "bus_ledger"

    def ready(self) -> None:
        from modules.platform.messaging import registry
        from modules.platform.messaging.authority import install_authority
        from tests.extracted.bus.faults import plant

        elsewhere = Path(os.environ["BUS_ELSEWHERE"])
        install_authority(lambda module: module not in elsewhere.read_text().split())
        here = {name: heard for name, heard in HEARS.items() if name in settings.FICUS_MODULES}
        _forever.enter_context(registry.only(here))
        plant(os.environ.get("BUS_FAULT", ""))

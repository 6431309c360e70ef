"""Payment's commands, and who listens to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from modules.extraction.routing.watching import Authorities
from modules.extraction.shadowing.listening import Notebook, listen
from modules.payment.contract import AuthorizePayment
from modules.platform.contracts import Money


class Told(Authorities):
    """All commands are written down, and nobody looks at a table."""

    def _ensure(self) -> None:
        self._sampled = {"payment": 100}


@contextmanager
def listening() -> Iterator[Notebook]:
    """Listens to payment's commands; what it has taken is written when it is closed."""
    book = Notebook()
    end = listen(book, Told())
    try:
        yield book
    finally:
        end()
        book.close()


def authorization(order_id: UUID, method: str = "card_ok") -> AuthorizePayment:
    """100 EUR for an order, as its saga says it."""
    return AuthorizePayment(
        order_id=order_id,
        amount=Money(amount=10_000, currency="EUR"),
        method=method,
        owner="customer:1",
        email="ada@example.com",
        idempotency_key="saga:authorize",
    )

"""What parts of a line cost, so that the parts add up to the line to the cent."""

from __future__ import annotations

from modules.platform.contracts import Money


def share(total: Money, *, of: int, taken: int, count: int) -> Money:
    """The price of ``count`` more of a line of ``of`` pieces, ``taken`` of which are gone already.

    Cumulative rounding: whatever the order of partial refunds, all pieces together give exactly
    ``total``. Raises ``ValueError`` when more is asked than is left.
    """
    if count < 1 or taken < 0 or taken + count > of:
        raise ValueError(f"{count} of a line of {of} with {taken} gone")
    return Money(
        amount=total.amount * (taken + count) // of - total.amount * taken // of,
        currency=total.currency,
    )

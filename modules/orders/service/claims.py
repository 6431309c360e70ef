"""Whose a guest's order is: his who holds the cart's token, and his who proved the address.

Nothing is written to orders: the proof is kept, and looked up when somebody else than the owner
asks. So it makes no difference whether the order or the proof was there first.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connections
from django.db.models import Q

from modules.orders.contract import Order
from modules.orders.models import VerifiedAddress
from modules.orders.queries import ALIAS

GUEST = "guest:"
CUSTOMER = "customer:"

# An address that changes hands is his who proved it last.
_PROVE = """
INSERT INTO orders_verifiedaddress AS v (email, owner, verified_at) VALUES (%s, %s, %s)
ON CONFLICT (email) DO UPDATE SET owner = excluded.owner, verified_at = excluded.verified_at
    WHERE v.owner <> excluded.owner
"""


def prove(*, email: str, customer_id: UUID, now: datetime) -> None:
    """The customer owns the address. Part of the open transaction; proving again is no news."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_PROVE, [email.strip().lower(), f"{CUSTOMER}{customer_id}", now])


def is_claimed_by(order: Order, owners: Collection[str]) -> bool:
    """Whether a guest placed the order with an address that one of ``owners`` proved."""
    customers = _customers(owners)
    if not customers or not order.owner.startswith(GUEST):
        return False
    return VerifiedAddress.objects.filter(email=order.email, owner__in=customers).exists()


def belongs_to(owners: Collection[str]) -> Q:
    """The orders that ``owners`` placed, or a guest with an address of theirs."""
    placed = Q(owner__in=sorted(owners))
    customers = _customers(owners)
    if not customers:
        return placed
    # Read first: as a subquery inside the OR it would keep the index of addresses from being used.
    emails = list(
        VerifiedAddress.objects.filter(owner__in=customers).values_list("email", flat=True)
    )
    return placed | Q(owner__startswith=GUEST, email__in=emails) if emails else placed


def _customers(owners: Collection[str]) -> list[str]:
    return sorted(owner for owner in owners if owner.startswith(CUSTOMER))

"""At login a guest's cart becomes the customer's, or goes into the one that waits there."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from modules.cart import store
from modules.cart.contract import CartLocked, CartMerged, CartNotFound
from modules.cart.domain import MAX_COUPONS, MAX_LINES, CartState, merged_quantity
from modules.cart.models import Cart, Line
from modules.cart.service.carts import ATTEMPTS, customer_of, show
from modules.cart.service.neighbours import variants_of
from modules.cart.service.pricing import PricedCart
from modules.cart.store import StoredCart
from modules.catalog.contract import Variant
from modules.platform.contracts import Actor, Unavailable
from modules.platform.databases import atomic
from modules.platform.messaging import publish


def claim(*, cart_id: UUID, actor: Actor, now: datetime) -> PricedCart:
    """The customer's cart with what the guest's held; claiming again changes nothing.

    ``actor`` has both the customer's and the guest's owner reference. Quantities add up as far
    as limits allow. Raises CartNotFound, CartLocked.
    """
    customer = customer_of(actor)
    for _ in range(ATTEMPTS):
        cart = store.read(cart_id)
        if cart is None or customer is None or not actor.owns(cart.owner):
            raise CartNotFound(cart_id=cart_id)
        if cart.state is CartState.MERGED:
            return show(_own(cart.merged_into or cart_id, actor), now=now)
        if cart.owner == customer:
            return show(cart, now=now)
        if cart.order_id is not None:
            raise CartLocked(cart_id=cart_id, order_id=cart.order_id)
        into = _waiting(customer)
        if into is None:
            done = store.give_to(cart, customer, now=now)
        else:
            done = _merge(cart, into, customer, now)
        if done:
            return show(_own(into or cart_id, actor), now=now)
    raise Unavailable


def _own(cart_id: UUID, actor: Actor) -> StoredCart:
    found = store.read(cart_id)
    if found is None or not actor.owns(found.owner):
        raise CartNotFound(cart_id=cart_id)
    return found


def _waiting(customer: str) -> UUID | None:
    return (
        Cart.objects.filter(owner=customer, state=CartState.OPEN)
        .order_by("-id")
        .values_list("id", flat=True)
        .first()
    )


def _merge(cart: StoredCart, into: UUID, customer: str, now: datetime) -> bool:
    """False when either changed meanwhile and all is to be looked at again."""
    waiting = store.read(into)
    if waiting is None:
        return False
    variants = variants_of({line.sku for line in (*cart.lines, *waiting.lines)})
    with atomic("cart"):
        # In the order of their ids: two merges of the same carts cannot deadlock.
        rows = Cart.objects.select_for_update().filter(id__in=[cart.id, into]).order_by("id")
        locked = {row.id: row for row in rows}
        guest, mine = locked.get(cart.id), locked.get(into)
        if guest is None or mine is None or not _as_read(guest, cart, mine, waiting):
            return False
        _move_lines(guest, mine, variants, now)
        _close(guest, mine, now)
        publish(
            CartMerged(
                cart_id=guest.id,
                into_cart_id=mine.id,
                customer_id=UUID(customer.partition(":")[2]),
            )
        )
    return True


def _as_read(guest: Cart, cart: StoredCart, mine: Cart, waiting: StoredCart) -> bool:
    same = guest.version == cart.version and mine.version == waiting.version
    return same and guest.state == mine.state == CartState.OPEN


def _move_lines(guest: Cart, mine: Cart, variants: dict[str, Variant], now: datetime) -> None:
    present = {line.sku: line for line in mine.lines.all()}
    currency = mine.currency or guest.currency
    for line in guest.lines.order_by("id"):
        variant = variants.get(line.sku)
        if variant is not None and variant.price.currency != currency:
            continue
        known = present.get(line.sku)
        if known is not None:
            most = variant.max_per_order if variant else 0
            together = merged_quantity(known.quantity, line.quantity, most)
            known.quantity = max(known.quantity, together)
            known.save(update_fields=["quantity"])
        elif len(present) < MAX_LINES:
            present[line.sku] = Line.objects.create(
                cart=mine,
                sku=line.sku,
                quantity=line.quantity,
                seen_amount=line.seen_amount,
                added_at=now,
            )
    mine.currency = currency


def _close(guest: Cart, mine: Cart, now: datetime) -> None:
    mine.coupons = list(dict.fromkeys((*mine.coupons, *guest.coupons)))[:MAX_COUPONS]
    mine.version += 1
    mine.updated_at = now
    mine.save()
    guest.state, guest.merged_into = CartState.MERGED.value, mine.id
    guest.version += 1
    guest.updated_at = now
    guest.save()

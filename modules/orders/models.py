"""Orders' tables. An order makes about 3 lines and 6 timeline entries: 1M orders is 10M rows.

Hot paths write with the SQL of ``writing``; these classes serve the admin and lists.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from modules.orders.contract import FulfilmentState, OrderPaymentState, OrderState
from modules.orders.domain.states import CART_IS_FREE, ReturnState
from modules.platform.rest.identifiers import new_id


class Order(models.Model):
    """One order: a snapshot of what was bought, and where it stands. Amounts in minor units."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.CharField(max_length=24, unique=True)
    owner = models.CharField(max_length=100)
    email = models.CharField(max_length=254, blank=True)
    locale = models.CharField(max_length=16, default="en")
    source = models.CharField(max_length=8, default="cart")  # cart, draft or import
    cart_id = models.UUIDField(null=True)
    external_ref = models.CharField(max_length=100, null=True)  # unique where set
    state = models.CharField(max_length=16, choices=[(s, s) for s in OrderState])
    payment_state = models.CharField(max_length=24, choices=[(s, s) for s in OrderPaymentState])
    fulfilment_state = models.CharField(max_length=24, choices=[(s, s) for s in FulfilmentState])
    failure_code = models.CharField(max_length=64, default="", blank=True)
    failure_detail = models.CharField(max_length=1000, default="", blank=True)
    review_reason = models.CharField(max_length=1000, default="", blank=True)
    next_action = models.CharField(max_length=2000, default="", blank=True)
    currency = models.CharField(max_length=3)
    subtotal = models.BigIntegerField()
    discount = models.BigIntegerField()
    shipping = models.BigIntegerField()
    tax = models.BigIntegerField()
    total = models.BigIntegerField()
    refunded = models.BigIntegerField(default=0)
    shipping_method = models.CharField(max_length=64, blank=True)
    payment_method = models.CharField(max_length=255, blank=True)
    shipping_address = models.JSONField()
    billing_address = models.JSONField(null=True)
    placed_at = models.DateTimeField()
    updated_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField(default=1)

    class Meta:
        constraints = [
            # Completing a cart again gives the same order; a failed one frees its cart.
            models.UniqueConstraint(
                fields=["cart_id"],
                condition=Q(cart_id__isnull=False)
                & ~Q(state__in=sorted(str(state) for state in CART_IS_FREE)),
                name="orders_one_per_cart",
            ),
            models.UniqueConstraint(
                fields=["external_ref"],
                condition=Q(external_ref__isnull=False),
                name="orders_external_ref",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[str(s) for s in OrderState]), name="orders_state_known"
            ),
            models.CheckConstraint(
                condition=Q(total=F("subtotal") - F("discount") + F("shipping")),
                name="orders_total_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(refunded__gte=0) & Q(refunded__lte=F("total")),
                name="orders_refunded_within_total",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-placed_at", "-id"], name="orders_by_owner"),
            models.Index(fields=["email", "-placed_at"], name="orders_by_email"),
            models.Index(fields=["state", "-placed_at", "-id"], name="orders_by_state"),
            models.Index(fields=["-placed_at", "-id"], name="orders_by_time"),
        ]
        permissions = [
            ("cancel_order", "Can cancel orders"),
            ("review_order", "Can mark orders as reviewed and retry their sagas"),
        ]

    def __str__(self) -> str:
        return self.number


class OrderLine(models.Model):
    """One SKU of an order. cancelled + coming_back + returned never exceed what was bought."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines", db_index=False)
    position = models.PositiveIntegerField()
    sku = models.CharField(max_length=64)
    product_id = models.UUIDField()
    name = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()
    unit_price = models.BigIntegerField()
    discount = models.BigIntegerField()
    total = models.BigIntegerField()
    tax = models.BigIntegerField()
    weight_grams = models.BigIntegerField()
    cancelled = models.PositiveIntegerField(db_default=0)
    coming_back = models.PositiveIntegerField(db_default=0)
    returned = models.PositiveIntegerField(db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="orders_line_position"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="orders_line_quantity"),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("cancelled") + F("coming_back") + F("returned")),
                name="orders_line_not_overdrawn",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"


class TimelineEntry(models.Model):
    """Something that happened to an order. Append-only."""

    order = models.ForeignKey(
        Order, on_delete=models.CASCADE, related_name="timeline", db_index=False
    )
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=32)
    detail = models.CharField(max_length=1000, default="", blank=True)
    actor = models.CharField(max_length=254, default="", blank=True)

    class Meta:
        indexes = [models.Index(fields=["order", "id"], name="orders_timeline_order")]
        verbose_name_plural = "timeline"

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M}"


class Return(models.Model):
    """Goods on their way back. ``amount`` is what the shopper gets for them."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="returns")
    state = models.CharField(max_length=16, choices=[(s, s) for s in ReturnState])
    reason = models.CharField(max_length=500, default="", blank=True)
    amount = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField(default=1)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[str(s) for s in ReturnState]), name="orders_return_state"
            )
        ]

    def __str__(self) -> str:
        return f"return {self.id}"


class ReturnLine(models.Model):
    """So many of one line on their way back; ``accepted`` is what was taken in."""

    goods_return = models.ForeignKey(Return, on_delete=models.CASCADE, related_name="lines")
    sku = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()
    accepted = models.PositiveIntegerField(db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["goods_return", "sku"], name="orders_return_line"),
            models.CheckConstraint(
                condition=Q(accepted__lte=F("quantity")) & Q(quantity__gte=1),
                name="orders_return_accepted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"


class VerifiedAddress(models.Model):
    """An e-mail address that a customer proved to own; a row per verified customer.

    Orders that guests placed with it, before or after, are the customer's too.
    """

    email = models.CharField(max_length=254, primary_key=True)  # in lower case, as in orders
    owner = models.CharField(max_length=100, db_index=True)
    verified_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "verified addresses"

    def __str__(self) -> str:
        return self.email


class ImportCheckpoint(models.Model):
    """How far one file of historic orders has been read; a handful of rows."""

    digest = models.CharField(max_length=64, primary_key=True)  # of the file's content
    path = models.CharField(max_length=500)
    rows = models.BigIntegerField(default=0)
    orders = models.BigIntegerField(default=0)
    done = models.BooleanField(default=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.path} ({self.rows} rows)"

"""Cart's tables. Carts come with every visitor; idle ones of guests are swept after 60 days."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from modules.cart.domain import MAX_QUANTITY, WHOLE, CartState, CouponKind
from modules.platform.rest.identifiers import new_id


class Cart(models.Model):
    """What one owner means to buy. ``snapshot`` is its price, fixed when checkout began."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.CharField(max_length=100)
    state = models.CharField(max_length=10, default=CartState.OPEN.value)
    currency = models.CharField(max_length=3, default="", blank=True)
    coupons = ArrayField(models.CharField(max_length=40), default=list)
    order_id = models.UUIDField(null=True, unique=True)
    merged_into = models.UUIDField(null=True)
    snapshot = models.TextField(default="")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(state__in=["checkout", "ordered"], order_id__isnull=False) & ~Q(snapshot="")
                    | Q(state__in=["open", "merged"], order_id__isnull=True)
                ),
                name="cart_order_iff_locked",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | Q(state="merged"), name="cart_merged_into"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "state", "id"], name="cart_owner"),
            models.Index(fields=["state", "updated_at"], name="cart_idle"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Line(models.Model):
    """So many of one SKU. ``seen_amount`` is the unit price when the line was last touched."""

    cart = models.ForeignKey(Cart, on_delete=models.CASCADE, related_name="lines")
    sku = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()
    seen_amount = models.BigIntegerField()
    added_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cart", "sku"], name="cart_line_sku"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=MAX_QUANTITY), name="cart_line_quantity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"


class Coupon(models.Model):
    """A reduction that shoppers can ask for. ``used`` counts the orders that have it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.CharField(max_length=40, unique=True, help_text="In capitals.")
    description = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in CouponKind])
    basis_points = models.PositiveIntegerField(default=0, help_text="Percent: 1000 is 10 %.")
    amount = models.BigIntegerField(default=0, help_text="Fixed: minor units.")
    currency = models.CharField(max_length=3, blank=True)
    min_subtotal = models.BigIntegerField(default=0, help_text="In minor units.")
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    usage_limit = models.PositiveIntegerField(null=True, blank=True)
    owner_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Uses of one customer; guests must sign in then."
    )
    combinable = models.BooleanField(default=True)
    active = models.BooleanField(default=True)
    used = models.PositiveIntegerField(default=0, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(kind="percent", basis_points__gte=1, basis_points__lte=WHOLE, amount=0)
                    | Q(
                        kind="fixed",
                        basis_points=0,
                        amount__gte=1,
                        currency__regex=r"^[A-Z]{3}$",
                    )
                ),
                name="cart_coupon_value",
            ),
            models.CheckConstraint(
                condition=Q(usage_limit__isnull=True) | Q(used__lte=F("usage_limit")),
                name="cart_coupon_not_overused",
            ),
            models.CheckConstraint(
                condition=Q(code__regex=r"^[A-Z0-9][A-Z0-9_-]*$"), name="cart_coupon_code"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class CouponUse(models.Model):
    """One order's use of a coupon, kept while the order stands."""

    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="uses")
    order_id = models.UUIDField()
    cart_id = models.UUIDField()
    owner = models.CharField(max_length=100)
    used_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["coupon", "order_id"], name="cart_coupon_once_an_order")
        ]
        indexes = [models.Index(fields=["coupon", "owner"], name="cart_coupon_owner")]

    def __str__(self) -> str:
        return f"{self.coupon} in order {self.order_id}"

"""Shipping's tables.

The tariff (zones, methods, rates) is small and read whole. ``Shipment`` grows with orders, its
lines with order lines; ``Picks``, ``Hold`` and ``Cancellation`` by a row for some orders.
"""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from modules.platform.rest.identifiers import new_id
from modules.shipping.contract import ShipmentState


class Carrier(models.Model):
    """Who drives. ``{number}`` in the template is the parcel's tracking number."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    tracking_template = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name


class Method(models.Model):
    """A way of delivery that customers choose, such as standard or express."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    carrier = models.ForeignKey(Carrier, on_delete=models.PROTECT)
    tax_basis_points = models.PositiveIntegerField(default=0, help_text="1900 is 19 %")
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name


class Zone(models.Model):
    """Places that cost the same to reach. Its areas say which."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name


class Area(models.Model):
    """Part of a zone: a country, one of its regions, or postal codes that begin alike.

    An empty country means everywhere. The most specific area that contains an address decides.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="areas")
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2")
    region = models.CharField(max_length=80, blank=True)
    postal_prefix = models.CharField(max_length=16, blank=True)

    class Meta:
        constraints = (
            # An address must not be in two zones by the same right.
            UniqueConstraint(
                fields=["country", "region", "postal_prefix"], name="shipping_area_once"
            ),
            CheckConstraint(
                condition=~Q(country="") | Q(region="", postal_prefix=""),
                name="shipping_area_has_country",
            ),
        )

    def __str__(self) -> str:
        parts = (self.country, self.region, self.postal_prefix and f"{self.postal_prefix}…")
        return " ".join(part for part in parts if part) or "everywhere"


class Rate(models.Model):
    """What a method costs in a zone, and how many business days it takes there."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="rates")
    method = models.ForeignKey(Method, on_delete=models.CASCADE, related_name="rates")
    currency = models.CharField(max_length=3)
    min_days = models.PositiveSmallIntegerField()
    max_days = models.PositiveSmallIntegerField()
    free_above = models.BigIntegerField(
        null=True, blank=True, help_text="goods value in minor units; empty: never free"
    )

    class Meta:
        constraints = (
            UniqueConstraint(fields=["zone", "method", "currency"], name="shipping_rate_once"),
            CheckConstraint(
                condition=Q(max_days__gte=F("min_days")), name="shipping_rate_days_in_order"
            ),
        )

    def __str__(self) -> str:
        return f"{self.method} to {self.zone} ({self.currency})"


class Bracket(models.Model):
    """One price of a rate: from (inclusive) and below (exclusive; empty: no end)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    rate = models.ForeignKey(Rate, on_delete=models.CASCADE, related_name="brackets")
    weight_from = models.PositiveIntegerField(default=0, help_text="grams")
    weight_below = models.PositiveIntegerField(null=True, blank=True, help_text="grams")
    value_from = models.BigIntegerField(default=0, help_text="goods value in minor units")
    value_below = models.BigIntegerField(null=True, blank=True)
    price = models.BigIntegerField(help_text="minor units")

    class Meta:
        constraints = (
            CheckConstraint(
                condition=Q(price__gte=0)
                & Q(value_from__gte=0)
                & (Q(weight_below__isnull=True) | Q(weight_below__gt=F("weight_from")))
                & (Q(value_below__isnull=True) | Q(value_below__gt=F("value_from"))),
                name="shipping_bracket_makes_sense",
            ),
        )

    def __str__(self) -> str:
        return f"from {self.weight_from} g: {self.price}"


class Holiday(models.Model):
    """A day on which nothing is picked or delivered."""

    day = models.DateField(primary_key=True)
    name = models.CharField(max_length=120)

    class Meta:
        ordering = ("day",)

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


class Shipment(models.Model):
    """One parcel of an order. The first of an order has ``sequence`` 1."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order_id = models.UUIDField()
    order_number = models.CharField(max_length=40)
    sequence = models.PositiveIntegerField(default=1)
    owner = models.CharField(max_length=120)
    state = models.CharField(
        max_length=12,
        default=ShipmentState.PENDING,
        choices=[(state.value, state.value) for state in ShipmentState],
    )
    method = models.CharField(max_length=40)
    warehouse = models.CharField(max_length=40, default="main")
    # A PostalAddress, as the codec writes it.
    address = models.JSONField()
    tracking_number = models.CharField(max_length=80, blank=True)
    tracking_url = models.CharField(max_length=700, blank=True)
    reason = models.CharField(max_length=500, blank=True, help_text="why it was cancelled")
    pick_on = models.DateField()
    promised_by = models.DateField(null=True)
    created_at = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    version = models.BigIntegerField(default=1)

    class Meta:
        permissions = (("fulfil_shipment", "Can pick, dispatch, deliver and cancel"),)
        constraints = (
            UniqueConstraint(fields=["order_id", "sequence"], name="shipping_shipment_sequence"),
            CheckConstraint(
                condition=Q(state__in=["dispatched", "delivered"], dispatched_at__isnull=False)
                | Q(state__in=["pending", "picking", "cancelled"], dispatched_at__isnull=True),
                name="shipping_shipment_dispatch_dated",
            ),
        )
        indexes = (
            Index(
                fields=["warehouse", "pick_on", "id"],
                condition=Q(state__in=["pending", "picking"]),
                name="shipping_shipment_to_pick",
            ),
            Index(fields=["order_number"], name="shipping_shipment_number"),
            Index(
                fields=["tracking_number"],
                condition=~Q(tracking_number=""),
                name="shipping_shipment_tracking",
            ),
            Index(fields=["owner", "id"], name="shipping_shipment_owner"),
        )

    def __str__(self) -> str:
        return f"{self.order_number}-{self.sequence}"


class ShipmentLine(models.Model):
    """So many of one SKU in a shipment."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="lines")
    sku = models.CharField(max_length=64)
    name = models.CharField(max_length=300)
    quantity = models.PositiveIntegerField()

    class Meta:
        constraints = (
            UniqueConstraint(fields=["shipment", "sku"], name="shipping_line_sku"),
            CheckConstraint(condition=Q(quantity__gt=0), name="shipping_line_not_empty"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"


class Picks(models.Model):
    """Where an order's goods are, told before its shipment was made."""

    order_id = models.UUIDField(primary_key=True)
    # [{"sku": ..., "quantity": ..., "warehouse": ...}]
    picks = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "picks"

    def __str__(self) -> str:
        return str(self.order_id)


class Hold(models.Model):
    """An order whose goods must not leave before a person has looked at it."""

    order_id = models.UUIDField(primary_key=True)
    reason = models.CharField(max_length=1000)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.order_id)


class Cancellation(models.Model):
    """A cancel command that was carried out: the same key does nothing again."""

    idempotency_key = models.CharField(primary_key=True, max_length=255)
    order_id = models.UUIDField(db_index=True)
    reason = models.CharField(max_length=500, blank=True)
    # ShipmentLines that came before the order's shipment was made and are left out of it; null:
    # there was a shipment to take them from.
    left_out = models.JSONField(null=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.order_id)

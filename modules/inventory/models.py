"""Inventory's tables.

``Stock`` has a row per SKU and warehouse (100,000s). ``Reservation`` and its lines grow with
orders, ``Movement`` by about three rows per order line and is append-only (the database refuses
UPDATE and DELETE, see migration 0002). ``Notice`` holds only what is not settled yet.
"""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from modules.inventory.contract import ReservationState
from modules.inventory.domain import MovementKind, NoticeKind
from modules.platform.rest.identifiers import new_id


class Warehouse(models.Model):
    """A place with shelves. The lowest ``priority`` is asked first."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2")
    priority = models.PositiveSmallIntegerField(default=100)
    active = models.BooleanField(default=True, help_text="Stock here can be promised.")
    version = models.BigIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("priority", "code")

    def __str__(self) -> str:
        return self.code


class Stock(models.Model):
    """One SKU in one warehouse.

    ``shortfall`` is how much a count found missing of what was promised before; a reservation
    never raises it, so the CHECK refuses to promise what is not there.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    sku = models.CharField(max_length=64)
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT)
    on_hand = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)
    allocated = models.BigIntegerField(default=0)
    shortfall = models.BigIntegerField(default=0)
    backorderable = models.BooleanField(default=False)
    low_threshold = models.PositiveIntegerField(default=0, help_text="0: no warning")
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "stock"
        permissions = (("move_stock", "Can adjust, count and transfer stock"),)
        constraints = (
            UniqueConstraint(fields=["sku", "warehouse"], name="inventory_stock_place"),
            CheckConstraint(
                condition=Q(on_hand__gte=0)
                & Q(reserved__gte=0)
                & Q(allocated__gte=0)
                & Q(shortfall__gte=0),
                name="inventory_stock_not_negative",
            ),
            CheckConstraint(
                condition=Q(backorderable=True)
                | Q(on_hand__gte=F("reserved") + F("allocated") - F("shortfall")),
                name="inventory_stock_not_oversold",
            ),
        )

    def __str__(self) -> str:
        return f"{self.sku} in {self.warehouse}"


class Reservation(models.Model):
    """What is set aside for one order; one an order, whatever happens to it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order_id = models.UUIDField(unique=True)
    idempotency_key = models.CharField(max_length=255)
    state = models.CharField(
        max_length=12, choices=[(state.value, state.value) for state in ReservationState]
    )
    # The order is over: an event that arrives late must not set anything aside again.
    is_final = models.BooleanField(default=False)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        permissions = (("release_reservation", "Can release reservations"),)
        indexes = (
            Index(
                fields=["expires_at"], condition=Q(state="held"), name="inventory_reservation_due"
            ),
        )

    def __str__(self) -> str:
        return f"reservation of order {self.order_id}"


class ReservationLine(models.Model):
    """So many of a SKU from one warehouse. Outstanding is quantity - released - dispatched."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="lines")
    sku = models.CharField(max_length=64)
    # No constraint in the database: it would lock the one warehouse row with every order, and
    # the stock row it was taken from has one.
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, db_constraint=False)
    quantity = models.BigIntegerField()
    released = models.BigIntegerField(default=0)
    dispatched = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            UniqueConstraint(
                fields=["reservation", "sku", "warehouse"], name="inventory_line_place"
            ),
            CheckConstraint(
                condition=Q(quantity__gt=0)
                & Q(released__gte=0)
                & Q(dispatched__gte=0)
                & Q(quantity__gte=F("released") + F("dispatched")),
                name="inventory_line_adds_up",
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"


class Movement(models.Model):
    """One entry of the ledger: by how much the three counters of a stock row changed, and why."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    sku = models.CharField(max_length=64)
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, db_constraint=False)
    kind = models.CharField(max_length=12, choices=[(k.value, k.value) for k in MovementKind])
    on_hand = models.BigIntegerField()
    reserved = models.BigIntegerField()
    allocated = models.BigIntegerField()
    order_id = models.UUIDField(null=True)
    document_id = models.UUIDField(null=True, help_text="The transfer, stocktake or import.")
    reason = models.CharField(max_length=500, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = (
            Index(fields=["sku", "id"], name="inventory_movement_sku"),
            Index(
                fields=["order_id"],
                condition=Q(order_id__isnull=False),
                name="inventory_movement_order",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.sku}"


class Notice(models.Model):
    """News of an order, kept until it is settled.

    A batch of events is handled in one transaction; were it to lock stock in the events' order
    it would deadlock with buyers, who lock in SKU order. So handlers only write these rows.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order_id = models.UUIDField()
    kind = models.CharField(max_length=12, choices=[(k.value, k.value) for k in NoticeKind])
    # StockLines: [{"sku": ..., "quantity": ...}]
    lines = models.JSONField()
    received_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    error = models.TextField(blank=True)

    class Meta:
        indexes = (
            Index(fields=["next_at"], name="inventory_notice_due"),
            Index(fields=["order_id"], name="inventory_notice_order"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.order_id}"


class CompletedCommand(models.Model):
    """A command that was carried out, with its answer: the same key gets it again."""

    idempotency_key = models.CharField(primary_key=True, max_length=320)
    answer = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        indexes = (Index(fields=["at"], name="inventory_command_at"),)

    def __str__(self) -> str:
        return self.idempotency_key

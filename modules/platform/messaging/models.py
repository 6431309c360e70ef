"""The bus's tables as Django sees them, for the admin only; the bus itself uses SQL.

They stand once in every module's schema: always use them with ``using(alias)``. The outbox holds
what retention keeps (millions of rows); the others hold what is not settled yet.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class OutboxEvent(models.Model):
    """One published event; append-only, dropped by partition."""

    event_id = models.UUIDField()
    part = models.SmallIntegerField()
    key = models.TextField()
    agg_seq = models.BigIntegerField()
    type = models.TextField()
    version = models.SmallIntegerField()
    payload = models.JSONField()
    headers = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "bus_outbox"
        verbose_name = "event"


class Subscription(models.Model):
    """How far one consumer has received one part of this module's events."""

    consumer = models.TextField()
    part = models.SmallIntegerField()
    acked = models.BigIntegerField()
    sent = models.BigIntegerField()
    sent_at = models.DateTimeField(null=True)
    resends = models.IntegerField(default=0)
    state = models.TextField(default="new")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "bus_subscription"


class Cursor(models.Model):
    """How far this module has handled one part of a source's events."""

    consumer = models.TextField()
    source = models.TextField()
    part = models.SmallIntegerField()
    pos = models.BigIntegerField()

    class Meta:
        db_table = "bus_cursor"


class ParkedEvent(models.Model):
    """An event whose handler failed, or one that waits behind such an event of its key."""

    consumer = models.TextField()
    source = models.TextField()
    part = models.SmallIntegerField()
    position = models.BigIntegerField()
    key = models.TextField()
    type = models.TextField()
    envelope = models.JSONField()
    state = models.TextField()
    attempts = models.IntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    fingerprint = models.TextField(default="")
    place = models.TextField(default="")
    error = models.TextField(default="")
    resolution = models.TextField(default="")
    reason = models.TextField(default="")
    actor = models.TextField(default="")
    parked_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "bus_parked"
        verbose_name = "parked event"


class Timer(models.Model):
    """Something to do later, in this module."""

    type = models.TextField()
    key = models.TextField()
    due_at = models.DateTimeField()
    payload = models.JSONField()
    headers = models.JSONField(null=True)
    state = models.TextField(default="due")
    attempts = models.IntegerField(default=0)
    error = models.TextField(default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "bus_timer"


class SeenMessage(models.Model):
    """A message of an unordered source (a webhook) that was handled once."""

    source = models.TextField()
    key = models.TextField()
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "bus_dedup"
        verbose_name = "seen message"


class Steering(models.Model):
    """Who changed deliveries by hand, when and why."""

    at = models.DateTimeField(default=timezone.now)
    actor = models.TextField()
    verb = models.TextField()
    target = models.TextField()
    reason = models.TextField()
    changed = models.IntegerField()

    class Meta:
        db_table = "bus_audit"
        verbose_name = "change by hand"
        verbose_name_plural = "changes by hand"

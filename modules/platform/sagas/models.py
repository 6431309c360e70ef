"""The table of sagas as Django sees it, for the admin and migrations; ``store`` uses SQL.

It stands once in every module's schema: always use it with ``using(alias)``. One row per process
(an order makes one, a cancellation another); done ones go after 30 days.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class SagaRow(models.Model):
    """One saga; the columns are explained in docs/sagas.md."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    type = models.CharField(max_length=64)
    key = models.CharField(max_length=200)
    subject = models.CharField(max_length=200)
    phase = models.CharField(max_length=64)
    status = models.CharField(max_length=16)
    data = models.JSONField()
    steps = models.JSONField()
    version = models.BigIntegerField()
    deadline_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "saga"
        verbose_name = "saga"
        constraints = [
            models.UniqueConstraint(
                fields=["type", "key"], condition=~Q(status="done"), name="saga_one_at_work"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["running", "manual", "done"]), name="saga_status_known"
            ),
            # Nobody would ever look at a running saga without a time.
            models.CheckConstraint(
                condition=~Q(status="running") | Q(due_at__isnull=False), name="saga_due_if_running"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(status="running"), name="saga_due"),
            models.Index(
                fields=["created_at"], condition=~Q(status="done"), name="saga_open_by_age"
            ),
            models.Index(fields=["subject"], name="saga_subject"),
            models.Index(
                fields=["updated_at"], condition=Q(status="done"), name="saga_done_by_age"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"

"""Answers kept for replay. One row per Idempotency-Key used in 24 hours: grows with orders."""

from __future__ import annotations

from django.db import models


class IdempotencyRecord(models.Model):
    """One key of one actor on one operation: running until ``answered_at`` is set."""

    # sha256 of actor, operation and key: a fixed-length primary key, and no key in the clear.
    digest = models.BinaryField(primary_key=True, max_length=32)
    request_hash = models.BinaryField(max_length=32)
    started_at = models.DateTimeField()
    # The id of what the request makes, chosen once per key: whoever takes over makes that, or
    # finds it made. None on rows of an older version.
    subject = models.UUIDField(null=True)
    answered_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)

    class Meta:
        db_table = "idempotency_record"
        indexes = [
            models.Index(fields=["started_at"], name="idempotency_started"),
            # Few at any moment: an extraction frees them within its pause.
            models.Index(
                fields=["digest"],
                condition=models.Q(answered_at__isnull=True),
                name="idempotency_running",
            ),
        ]

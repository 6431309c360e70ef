"""What the counters of a module stood at, a row for each look while an analysis is at work.

One a second while somebody raises a canary; those older than a day go with the next look. An
analysis can so be asked again for the same minutes, by whoever did not make it.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Reading(models.Model):
    """``body`` is a ``readings.Counted`` as JSON; ``percent`` the share while it was read."""

    module = models.CharField(max_length=63)
    at = models.DateTimeField(db_default=Now())
    percent = models.PositiveSmallIntegerField(default=0)
    body = models.JSONField()

    class Meta:
        app_label = "extraction"
        db_table = "extraction_reading"
        ordering = ("-id",)
        indexes = [models.Index(fields=["module", "at"], name="extraction_reading_at")]

    def __str__(self) -> str:
        return f"{self.module} at {self.at}"

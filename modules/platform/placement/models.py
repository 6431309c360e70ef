"""The table of placements as Django sees it, for migrations and the admin; ``table`` uses SQL.

It stands on ``default`` of the host that places: a row for each module ever placed, at most a
dozen, and a row of log for each change, a few a day.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Placement(models.Model):
    """Where one module's work is done now."""

    module = models.CharField(primary_key=True, max_length=63)
    percent = models.PositiveSmallIntegerField(help_text="0: all in the monolith; 100: none.")
    revision = models.BigIntegerField(unique=True)
    changed_at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)
    silent_since = models.DateTimeField(
        null=True, editable=False, help_text="Since when the service's workers have not answered."
    )

    class Meta:
        app_label = "placement"
        db_table = "placement_placement"
        verbose_name = "placement"
        ordering = ("module",)
        permissions = [("place_placement", "Can say where a module's work is done")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(percent__lte=100), name="placement_percent_is_a_share"
            )
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.percent} %"


class PlacementChange(models.Model):
    """One change, kept for good."""

    revision = models.BigIntegerField(primary_key=True)
    module = models.CharField(max_length=63)
    before = models.PositiveSmallIntegerField()
    after = models.PositiveSmallIntegerField()
    changed_at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)

    class Meta:
        app_label = "placement"
        db_table = "placement_change"
        verbose_name = "change of placement"
        verbose_name_plural = "changes of placement"
        ordering = ("-revision",)

    def __str__(self) -> str:
        return f"{self.revision}: {self.module} {self.before} -> {self.after} %"

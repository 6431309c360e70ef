"""Imports: what was read, how far, and what came of it. One row per file and try."""

from __future__ import annotations

from enum import StrEnum

from django.db import models
from django.db.models import Q

from modules.platform.rest.identifiers import new_id


class ImportState(StrEnum):
    """Where an import stands."""

    RUNNING = "running"
    DONE = "done"


class ImportRun(models.Model):
    """One import of one file, known by its content: an interrupted one goes on at ``line``.

    ``line`` is the last line of the file whose row, and all before it, is settled.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    digest = models.CharField(max_length=64)
    source = models.CharField(max_length=300)
    state = models.CharField(max_length=8, default=ImportState.RUNNING.value)
    line = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    stocked = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    started_by = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["digest"], condition=Q(state="running"), name="catalog_import_running"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} at {self.started_at:%Y-%m-%d %H:%M}"

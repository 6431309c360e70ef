"""What is remembered of a button: who pressed it, how far its process is, and how it ended.

A few rows a day while something moves. The step that a verb records is apart (``Step``): this is
about the process that does it, and is what the page shows while it works.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Press(models.Model):
    """One button that was pressed. ``said`` is the verb's report as the command line shows it.

    ``nonce`` is that of the dry run it was confirmed from: one dry run, one press. An open one
    (without ``ended_at``) whose process holds its lock no more was killed: see ``presses``.
    """

    module = models.CharField(max_length=63)
    verb = models.CharField(max_length=20)
    options = models.JSONField(default=dict)
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=200)
    actor_id = models.CharField(max_length=64)
    nonce = models.UUIDField(unique=True)
    pressed_at = models.DateTimeField(db_default=Now())
    began_at = models.DateTimeField(null=True)
    machine = models.CharField(max_length=255, blank=True)
    process = models.PositiveIntegerField(null=True)
    what = models.CharField(max_length=200, blank=True, help_text="What it is at.")
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0, help_text="0: unknown.")
    told_at = models.DateTimeField(null=True, help_text="When it last said how far it is.")
    stop_asked_at = models.DateTimeField(null=True)
    stop_actor = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)
    said = models.TextField(blank=True)

    class Meta:
        app_label = "extraction"
        db_table = "extraction_press"
        ordering = ("-id",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["module"], condition=Q(ended_at=None), name="extraction_press_one_open"
            )
        ]
        indexes = [models.Index(fields=["module", "-id"], name="extraction_press_of_module")]

    def __str__(self) -> str:
        return f"{self.id} {self.verb} {self.module}: {self.outcome or 'under way'}"

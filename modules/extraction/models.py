"""What the control plane remembers: where each module stands, each step, each signed receipt.

A row of ``Capability`` and ``Controller`` for each module that was ever touched, a dozen at most;
a few steps a day while something moves, kept for good. Where the data *is*, the two databases say
themselves (``protocol``): what stands here is compared with them, never believed instead.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from modules.extraction.phases import Direction, Phase


class Capability(models.Model):
    """Where one module stands on its way out, since when and by whom."""

    module = models.CharField(primary_key=True, max_length=63)
    phase = models.CharField(
        max_length=10, choices=[(one.value, one.value) for one in Phase], default=Phase.MONOLITH
    )
    percent = models.PositiveSmallIntegerField(default=0, help_text="Work done by the service.")
    direction = models.CharField(
        max_length=11,
        choices=[(one.value, one.value) for one in Direction],
        default=Direction.NOWHERE,
        help_text="Whither changes are carried.",
    )
    epoch = models.BigIntegerField(default=0, help_text="Of the authority over the data.")
    paused = models.BooleanField(default=False)
    halted = models.CharField(
        max_length=500,
        blank=True,
        default="",
        help_text="Why a canary does not go on by itself.",
    )
    place = models.CharField(max_length=500, blank=True, help_text="The service's database.")
    since = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)

    class Meta:
        app_label = "extraction"
        db_table = "extraction_capability"
        verbose_name_plural = "capabilities"
        ordering = ("module",)
        permissions = [
            ("move_capability", "Can move capability out and back"),
            ("retire_capability", "Can retire capability in the monolith"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(percent__lte=100), name="extraction_percent_is_a_share"
            )
        ]

    def __str__(self) -> str:
        return f"{self.module}: {self.phase}"


class Step(models.Model):
    """One step: who did what to which module, why, on which facts, and how it ended.

    A row is written when the step begins and once more when it ends. A trigger refuses any other
    change, and that a row is taken away.
    """

    module = models.CharField(max_length=63)
    verb = models.CharField(max_length=20)
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)
    facts = models.JSONField(default=dict)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)
    detail = models.CharField(max_length=1000, blank=True)

    class Meta:
        app_label = "extraction"
        db_table = "extraction_step"
        ordering = ("-id",)
        indexes = [models.Index(fields=["module", "-id"], name="extraction_step_of_module")]

    def __str__(self) -> str:
        return f"{self.id} {self.verb} {self.module}: {self.outcome or 'under way'}"


class Receipt(models.Model):
    """A signed account of one change of authority. ``token`` is a JWS over ``body``."""

    module = models.CharField(max_length=63)
    kind = models.CharField(max_length=10)
    epoch = models.BigIntegerField()
    body = models.JSONField()
    token = models.TextField()
    step = models.ForeignKey(Step, on_delete=models.PROTECT, related_name="receipts")
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "extraction"
        db_table = "extraction_receipt"
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=["module", "epoch"], name="extraction_receipt_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.module}, epoch {self.epoch}"


class Controller(models.Model):
    """Who holds the lock of a module, or held it last. The lock itself is an advisory one."""

    module = models.CharField(primary_key=True, max_length=63)
    verb = models.CharField(max_length=20)
    actor = models.CharField(max_length=200)
    machine = models.CharField(max_length=255)
    process = models.PositiveIntegerField()
    since = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "extraction"
        db_table = "extraction_controller"

    def __str__(self) -> str:
        return f"{self.verb} {self.module} by {self.actor}"


# Django finds the models of a part here.
from modules.extraction.analysis.models import Reading as Reading  # noqa: E402
from modules.extraction.dashboard.records import Press as Press  # noqa: E402
from modules.extraction.shadowing.models import Shadow as Shadow  # noqa: E402 - and its others

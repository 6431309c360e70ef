"""Tables of shadowing: what is asked of both sides, what differed, what of it does not count.

Size: a tally for each route, ten seconds and way of differing; at most ``MOST_FINGERPRINTS``
differences of a module with some samples each. ``retaining`` keeps all of them bounded, and
``cancel`` removes them.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

LONGEST_ROUTE, LONGEST_PLACE, LONGEST_WAY = 200, 300, 40  # characters


class Kind(models.TextChoices):
    """What was asked of both."""

    READ = "read"
    COMMAND = "command"
    TWICE = "twice"  # of the monolith alone, two times: what differs then is noise


class Shadow(models.Model):
    """A module whose reads are mirrored: ``percent`` of them, since when and by whom.

    ``shown`` are members of answers whose values may be kept though they look personal.
    """

    module = models.CharField(primary_key=True, max_length=63)
    percent = models.PositiveSmallIntegerField()
    commands = models.PositiveSmallIntegerField(default=0, help_text="Percent of them, dry.")
    learn_seconds = models.FloatField(default=0.0, help_text="Of asking the monolith twice.")
    shown = models.JSONField(default=list)
    owner = models.CharField(max_length=100, blank=True)
    since = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)

    class Meta:
        app_label = "extraction"
        db_table = "extraction_shadow"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(percent__lte=100), name="extraction_shadow_is_a_share"
            )
        ]

    def __str__(self) -> str:
        return f"{self.module}: {self.percent} %"


class Tally(models.Model):
    """So many pairs of ten seconds that differed in the same places, or were not compared.

    ``fingerprints`` are those of one pair, sorted, with blanks between; empty when both were the
    same. What counts as a difference is judged when it is read, so a rule works backwards too.
    """

    module = models.CharField(max_length=63)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    route = models.CharField(max_length=LONGEST_ROUTE)
    at = models.DateTimeField(help_text="When the ten seconds began.")
    fingerprints = models.CharField(max_length=1000, blank=True)
    why_not = models.CharField(max_length=40, blank=True, help_text="Why it was not compared.")
    count = models.BigIntegerField()

    class Meta:
        app_label = "extraction"
        db_table = "extraction_shadow_tally"
        verbose_name_plural = "tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["module", "kind", "route", "at", "fingerprints", "why_not"],
                name="extraction_shadow_tally_once",
            )
        ]
        indexes = [models.Index(fields=["module", "at"], name="extraction_shadow_tally_at")]

    def __str__(self) -> str:
        return f"{self.module} {self.kind} {self.route}: {self.count}"


class Difference(models.Model):
    """One way in which the two sides differ: where in the answers to what, and how."""

    module = models.CharField(max_length=63)
    fingerprint = models.CharField(max_length=16)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    route = models.CharField(max_length=LONGEST_ROUTE)
    place = models.CharField(max_length=LONGEST_PLACE)
    way = models.CharField(max_length=LONGEST_WAY)
    owner = models.CharField(max_length=100, blank=True)
    count = models.BigIntegerField(default=0)
    twice = models.BigIntegerField(default=0, help_text="Seen between two runs of the monolith.")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        app_label = "extraction"
        db_table = "extraction_shadow_difference"
        constraints = [
            models.UniqueConstraint(
                fields=["module", "fingerprint"], name="extraction_shadow_difference_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.fingerprint} {self.route} {self.place}: {self.way}"


class Sample(models.Model):
    """One pair that differed so. Values are cut, personal ones to their kind and length."""

    difference = models.ForeignKey(Difference, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    asked = models.CharField(max_length=300)
    request_id = models.CharField(max_length=128, blank=True)
    place = models.CharField(max_length=LONGEST_PLACE)
    monolith = models.CharField(max_length=200)
    service = models.CharField(max_length=200)

    class Meta:
        app_label = "extraction"
        db_table = "extraction_shadow_sample"
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.asked} {self.place}: {self.monolith} / {self.service}"


class Ignored(models.Model):
    """A rule: this difference does not count until then."""

    module = models.CharField(max_length=63)
    fingerprint = models.CharField(max_length=16)
    until = models.DateTimeField()
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=200)
    since = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "extraction"
        db_table = "extraction_shadow_ignored"
        constraints = [
            models.UniqueConstraint(
                fields=["module", "fingerprint"], name="extraction_shadow_ignored_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.fingerprint} until {self.until:%Y-%m-%d}"


class Cursor(models.Model):
    """How far a file of recorded pairs is read. It moves in the transaction that counts them."""

    module = models.CharField(max_length=63)
    file = models.CharField(max_length=500, unique=True)
    offset = models.BigIntegerField(default=0)

    class Meta:
        app_label = "extraction"
        db_table = "extraction_shadow_cursor"

    def __str__(self) -> str:
        return f"{self.file}: {self.offset}"


class Asked(models.Model):
    """A command that the monolith has answered, to be asked of both sides dry; then it goes."""

    module = models.CharField(max_length=63)
    operation = models.CharField(max_length=63)
    arguments = models.TextField(help_text="JSON, as the contract writes it.")
    first = models.TextField(null=True, help_text="How it was done, as JSON; where it is known.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "extraction"
        db_table = "extraction_shadow_asked"

    def __str__(self) -> str:
        return f"{self.module}.{self.operation}"

"""The registry's tables as Django sees them, for migrations and the admin; the registry uses SQL.

They stand on ``default`` of the host that keeps the registry. An instance has one row while it
lives and for an hour after; a contract one row of about 20 KB for each version ever announced,
for a month. So both stay below a thousand rows.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from modules.platform.discovery.instances import Role


class RegisteredInstance(models.Model):
    """One instance that registered. All times are the database's own."""

    id = models.CharField(primary_key=True, max_length=128)
    module = models.CharField(max_length=63)
    url = models.CharField(max_length=300)
    role = models.CharField(max_length=10, choices=[(role.value, role.value) for role in Role])
    version = models.CharField(max_length=200, blank=True, default="")
    contract = models.CharField(max_length=32, blank=True, default="")
    capacity = models.PositiveSmallIntegerField(default=8)
    grpc_url = models.CharField(max_length=300, blank=True, default="", db_default="")
    in_flight = models.PositiveIntegerField(null=True, help_text="Calls being worked on.")
    issuer = models.CharField(max_length=200, help_text="Who may speak for it: its token's issuer.")
    registered_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    dropped_at = models.DateTimeField(null=True)
    dropped_by = models.CharField(max_length=200, blank=True, default="")
    drop_reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        app_label = "discovery"
        db_table = "discovery_instance"
        verbose_name = "instance"
        ordering = ("module", "id")
        permissions = [("drop_registeredinstance", "Can leave an instance out of the list")]

    def __str__(self) -> str:
        return f"{self.module} {self.id}"


class AnnouncedContract(models.Model):
    """The schema behind a fingerprint, for callers to compare with their own."""

    fingerprint = models.CharField(primary_key=True, max_length=32)
    module = models.CharField(max_length=63)
    schema = models.TextField()
    announced_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "discovery"
        db_table = "discovery_contract"
        verbose_name = "contract"

    def __str__(self) -> str:
        return f"{self.module} {self.fingerprint}"

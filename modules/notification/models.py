"""Notification's tables.

``MessageRow`` grows by one to three rows per order with about 5 KB each and is purged after 400
days; ``OrderContact`` by one row per order. The rest is small.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from modules.notification.contract.types import Category, Channel, MessageState
from modules.notification.domain import OPEN
from modules.platform.rest.identifiers import new_id


def _choices(kind: type[Channel] | type[Category] | type[MessageState]) -> list[tuple[str, str]]:
    return [(member.value, member.value) for member in kind]


class TemplateRow(models.Model):
    """What is said, per name, channel and locale. ``edited``: no longer as shipped."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=60)
    channel = models.CharField(max_length=10, choices=_choices(Channel), default=Channel.EMAIL)
    locale = models.CharField(max_length=16, default="en")
    category = models.CharField(
        max_length=20, choices=_choices(Category), default=Category.TRANSACTIONAL
    )
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField()
    html = models.TextField(blank=True)
    edited = models.BooleanField(default=False, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "notification_template"
        verbose_name = "template"
        constraints = [
            models.UniqueConstraint(
                fields=["name", "channel", "locale"], name="notification_template_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.channel}, {self.locale})"


class MessageRow(models.Model):
    """One message to one recipient. The same source never sends a template to them twice.

    ``source`` is the event's id or the command's idempotency key. ``variables`` and ``secrets``
    are JSON text: never queried. ``next_at`` is when to send, to try again, or when the lease of
    whoever sends it ends (``claim`` names them).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    source = models.CharField(max_length=255)
    template = models.CharField(max_length=60)
    channel = models.CharField(max_length=10, choices=_choices(Channel))
    recipient = models.CharField(max_length=500)
    owner = models.CharField(max_length=80)
    order_id = models.UUIDField(null=True, blank=True)
    locale = models.CharField(max_length=16)
    variables = models.TextField()
    secrets = models.TextField(null=True, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    state = models.CharField(
        max_length=10, choices=_choices(MessageState), default=MessageState.QUEUED
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    claim = models.UUIDField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "notification_message"
        verbose_name = "message"
        constraints = [
            models.UniqueConstraint(
                fields=["source", "recipient", "template", "channel"],
                name="notification_once",
            ),
            models.CheckConstraint(
                condition=Q(state=MessageState.SENT, sent_at__isnull=False)
                | ~Q(state=MessageState.SENT) & Q(sent_at__isnull=True),
                name="notification_sent_at",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[MessageState.SENT, MessageState.SUPPRESSED])
                | Q(secrets__isnull=True),
                name="notification_secrets_forgotten",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state__in=OPEN), name="notification_due"),
            models.Index(fields=["order_id"], name="notification_by_order"),
            models.Index(
                fields=["id"], condition=Q(state=MessageState.DEAD), name="notification_dead"
            ),
            models.Index(fields=["recipient", "-id"], name="notification_by_recipient"),
            models.Index(fields=["owner", "-id"], name="notification_by_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.recipient}"


class OrderContact(models.Model):
    """Whom an order's messages go to: a read model, fed by OrderConfirmed.

    ``refund_told`` is how much of the order's money we have said goes back, in minor units.
    """

    order_id = models.UUIDField(primary_key=True)
    number = models.CharField(max_length=40)
    owner = models.CharField(max_length=80)
    email = models.CharField(max_length=254)
    locale = models.CharField(max_length=16)
    refund_told = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.number}: {self.email}"


class Preference(models.Model):
    """Whether ``holder`` wants messages of a category; no row means yes.

    ``holder`` is an owner reference, or ``email:<address>`` for whoever reads that mailbox.
    ``owner`` of an e-mail's row is whose message brought the link that switched it off.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    holder = models.CharField(max_length=300)
    category = models.CharField(max_length=20, choices=_choices(Category))
    wanted = models.BooleanField()
    owner = models.CharField(max_length=80, blank=True, db_index=True)
    reason = models.CharField(max_length=500, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["holder", "category"], name="notification_preference_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.holder} {'wants' if self.wanted else 'does not want'} {self.category}"


class WebhookEndpoint(models.Model):
    """Where somebody's system hears of messages, signed by the Standard Webhooks rules."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    url = models.CharField(max_length=500, unique=True)
    secret = models.CharField(max_length=100, editable=False)
    templates = ArrayField(models.CharField(max_length=60), size=50)
    is_active = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.url


class MailboxMail(models.Model):
    """A mail in the local mailbox: a file, not a row; it is here for its page and permission."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "mail"
        verbose_name_plural = "mailbox"

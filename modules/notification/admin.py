"""Notification's pages: templates with preview, messages and dead letters, the local mailbox.

``MessageRow`` grows by a few rows per order: lists leave the bodies in the database, search is
by the recipient's index.
"""

from __future__ import annotations

from mailbox import Maildir
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import action

from modules.notification import (
    endpoints,
    mailbox,
    outlets,
    preferences,
    samples,
    service,
    wording,
)
from modules.notification.contract import NotificationError
from modules.notification.models import (
    MailboxMail,
    MessageRow,
    OrderContact,
    Preference,
    TemplateRow,
    WebhookEndpoint,
)
from modules.notification.wording import Texts
from modules.platform.backoffice.admin import ModuleAdmin, use_case

SHOWN = 100  # mails in the mailbox's list


class TemplateForm(forms.ModelForm):  # type: ignore[type-arg]
    """A template that can be read."""

    class Meta:
        model = TemplateRow
        fields = ("name", "channel", "locale", "category", "subject", "text", "html")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        try:
            wording.check(_texts(cleaned))
        except NotificationError as error:
            raise forms.ValidationError(error.sentence()) from error
        return cleaned


@admin.register(TemplateRow)
class TemplateAdmin(ModuleAdmin):
    """What is said to people, per event and locale."""

    editable = True
    form = TemplateForm
    list_display = ("name", "channel", "locale", "category", "subject", "edited", "updated_at")
    list_filter = ("channel", "locale", "category", "edited")
    search_fields = ("name",)
    ordering = ("name", "channel", "locale")
    actions_detail = ("preview",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name", "channel", "locale") if obj else ()

    def save_model(self, request: HttpRequest, obj: TemplateRow, form: Any, change: bool) -> None:
        obj.edited = True
        obj.version += 1 if change else 0
        super().save_model(request, obj, form, change)
        wording.forget_cached()

    @action(description="Preview", url_path="preview")
    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The message as it would look with sample data."""
        row = wording.get(object_id)  # type: ignore[arg-type]
        context = self.admin_site.each_context(request) | {
            "title": f"Preview: {row}",
            "opts": self.model._meta,
            "headers": (),
            "trouble": "",
        }
        try:
            shown = wording.preview(wording.source_of(row), samples.variables())
            context |= {"subject": shown.subject, "text": shown.text, "html": shown.html}
        except NotificationError as error:
            context["trouble"] = error.sentence()
        return TemplateResponse(request, "notification/mail.html", context)


@admin.register(MessageRow)
class MessageAdmin(ModuleAdmin):
    """Every message, sent or not. Dead ones can be queued again."""

    list_display = ("created_at", "template", "recipient", "channel", "state", "attempts")
    list_filter = ("state", "channel", "template")
    search_fields = ("recipient__exact", "order_id__exact")
    ordering = ("-id",)
    actions = ("send_again", "block_recipient")
    exclude = ("variables", "secrets", "claim")

    def get_queryset(self, request: HttpRequest) -> QuerySet[MessageRow]:
        rows: QuerySet[MessageRow] = super().get_queryset(request)
        match = request.resolver_match
        listing = match is not None and (match.url_name or "").endswith("_changelist")
        return service.without_bodies(rows) if listing else rows

    @use_case("Send again", permission="change_message")
    def send_again(self, request: HttpRequest, row: MessageRow, reason: str) -> str:
        service.requeue(message_id=row.pk, reason=reason)
        return "is queued again"

    @use_case("Send nothing more to the recipient", permission="change_message")
    def block_recipient(self, request: HttpRequest, row: MessageRow, reason: str) -> str:
        preferences.block(address=row.recipient, reason=reason)
        return f"{row.recipient} gets nothing more"

    def has_change_message_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("notification.change_messagerow"))


@admin.register(Preference)
class PreferenceAdmin(ModuleAdmin):
    """Who switched what off."""

    list_display = ("holder", "category", "wanted", "reason", "updated_at")
    list_filter = ("category", "wanted")
    search_fields = ("holder__startswith",)
    ordering = ("-updated_at",)
    actions = ("allow_again",)

    @use_case("Send to the address again", permission="change_preference")
    def allow_again(self, request: HttpRequest, row: Preference, reason: str) -> str:
        preferences.unblock(address=row.holder.removeprefix("email:"))
        return "is allowed again"

    def has_change_preference_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("notification.change_preference"))


@admin.register(OrderContact)
class OrderContactAdmin(ModuleAdmin):
    """Whom an order's messages go to."""

    list_display = ("number", "email", "locale", "refund_told")
    search_fields = ("order_id__exact",)
    ordering = ("-order_id",)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ModuleAdmin):
    """Systems that hear of messages. They are registered over the API, which shows the secret."""

    list_display = ("url", "is_active", "disabled_reason", "created_at")
    ordering = ("-id",)
    actions = ("enable", "remove")

    @use_case("Enable", permission="change_endpoint")
    def enable(self, request: HttpRequest, row: WebhookEndpoint, reason: str) -> None:
        endpoints.enable(endpoint_id=row.pk)

    @use_case("Remove", permission="change_endpoint")
    def remove(self, request: HttpRequest, row: WebhookEndpoint, reason: str) -> None:
        endpoints.remove(endpoint_id=row.pk)

    def has_change_endpoint_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("notification.change_webhookendpoint"))


@admin.register(MailboxMail)
class MailboxAdmin(ModuleAdmin):
    """The local mailbox, where SMTP_URL points at it: what people would have got."""

    def get_urls(self) -> list[URLPattern]:
        show = self.admin_site.admin_view(self.show_mail)
        own = path("mail/<str:key>", show, name="notification_mailboxmail_mail")
        return [own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The newest mails."""
        self._require_view(request)
        box = _box()
        keys = mailbox.newest_keys(box)[:SHOWN] if box is not None else []
        context = self._context(request, "Mailbox") | {
            "mails": [mailbox.read(box, key) for key in keys] if box is not None else [],
            "connected": box is not None,
            "smtp": outlets.smtp_address(),
        }
        return TemplateResponse(request, "notification/mailbox.html", context)

    def show_mail(self, request: HttpRequest, key: str) -> HttpResponse:
        """One mail: its headers, its text, and its HTML in a frame that may do nothing."""
        self._require_view(request)
        box = _box()
        try:
            mail = mailbox.read(box, key) if box is not None else None
        except KeyError:
            mail = None
        if mail is None:
            raise Http404
        context = self._context(request, mail.subject or "(no subject)") | {
            "headers": mail.headers,
            "text": mail.text,
            "html": mail.html,
        }
        return TemplateResponse(request, "notification/mail.html", context)

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        back = reverse("admin:notification_mailboxmail_changelist")
        own = {"title": title, "opts": self.model._meta, "back": back}
        return {**self.admin_site.each_context(request), **own}


def _box() -> Maildir | None:
    """The local mailbox; None when mails go somewhere else."""
    directory = settings.FICUS_HOME / "mailbox"
    local = outlets.smtp_address().host in ("127.0.0.1", "localhost", "::1")
    return mailbox.open_box(directory) if local and directory.is_dir() else None


def _texts(cleaned: dict[str, Any]) -> Texts:
    return Texts(
        subject=cleaned.get("subject", ""),
        text=cleaned.get("text", ""),
        html=cleaned.get("html", ""),
        category=cleaned.get("category", ""),
    )

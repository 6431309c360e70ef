"""The transports of this host, as the settings say."""

from __future__ import annotations

from django.conf import settings

from modules.notification.contract import Channel
from modules.notification.models import WebhookEndpoint
from modules.notification.providers.sms import SmsTransport
from modules.notification.providers.smtp import SmtpAddress, SmtpTransport
from modules.notification.providers.transport import Transport
from modules.notification.providers.webhook import WebhookTransport
from modules.notification.queueing import forget_endpoints


def transports() -> dict[Channel, Transport]:
    """A fresh set; nothing is connected to before the first message."""
    return {
        Channel.EMAIL: SmtpTransport(smtp_address(), settings.MAIL_FROM),
        Channel.SMS: SmsTransport(settings.SMS_GATEWAY_URL),
        Channel.WEBHOOK: WebhookTransport(_secret_of, gone=_disable),
    }


def smtp_address() -> SmtpAddress:
    """Where mails go. Raises ``ValueError`` when SMTP_URL is none."""
    return SmtpAddress.parse(settings.SMTP_URL)


def _secret_of(url: str) -> str | None:
    row = WebhookEndpoint.objects.filter(url=url, is_active=True).values_list("secret").first()
    return None if row is None else str(row[0])


def _disable(url: str, reason: str) -> None:
    WebhookEndpoint.objects.filter(url=url).update(is_active=False, disabled_reason=reason)
    forget_endpoints()

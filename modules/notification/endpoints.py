"""Use cases of webhook endpoints."""

from __future__ import annotations

import base64
import secrets
from uuid import UUID

from django.db import IntegrityError

from modules.notification.contract import EndpointNotFound, EndpointRefused
from modules.notification.models import WebhookEndpoint
from modules.notification.providers.addresses import AddressRefused, check_url
from modules.notification.queueing import forget_endpoints
from modules.platform.databases import atomic


def register(*, url: str, templates: tuple[str, ...]) -> WebhookEndpoint:
    """A new endpoint with a fresh secret. Raises EndpointRefused.

    What the name leads to is checked again each time something is sent there.
    """
    try:
        check_url(url)
    except AddressRefused as error:
        raise EndpointRefused(reason=str(error)) from error
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    try:
        with atomic("notification"):
            row = WebhookEndpoint.objects.create(
                url=url, templates=sorted(set(templates)), secret=secret
            )
    except IntegrityError as error:
        raise EndpointRefused(reason="there is an endpoint with this address already") from error
    forget_endpoints()
    return row


def remove(*, endpoint_id: UUID) -> None:
    """Send nothing more there. Raises EndpointNotFound."""
    deleted, _ = WebhookEndpoint.objects.filter(pk=endpoint_id).delete()
    if not deleted:
        raise EndpointNotFound(endpoint_id=endpoint_id)
    forget_endpoints()


def enable(*, endpoint_id: UUID) -> None:
    """Send there again. Raises EndpointNotFound."""
    rows = WebhookEndpoint.objects.filter(pk=endpoint_id)
    if not rows.update(is_active=True, disabled_reason=""):
        raise EndpointNotFound(endpoint_id=endpoint_id)
    forget_endpoints()

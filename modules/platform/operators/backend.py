"""Lets an operator in by a token: Django's authentication backend of hosts without accounts."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.core.cache import cache as seen
from django.http import HttpRequest

from modules.platform.keys import KeyRing, PublicKeys, ring_in
from modules.platform.operators.models import Operator
from modules.platform.operators.tokens import LIFE, Pass, TokenRefused, issuer_here, read

log = structlog.get_logger(__name__)


class OperatorBackend(BaseBackend):
    """``authenticate(request, operator_token=...)``: an Operator, or None for a bad token."""

    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, *, operator_token: str = "", **_: object
    ) -> Operator | None:
        if not operator_token:
            return None
        try:
            given = read(operator_token, host=settings.FICUS_HOST, find=_find)
            _use_once(given)
        except TokenRefused as error:
            log.warning("operator.refused", reason=str(error))
            return None
        return _remember(given)

    def get_user(self, user_id: object) -> Operator | None:  # type: ignore[override]
        """The operator of a session; None as soon as nothing is permitted any more."""
        found = Operator.objects.filter(pk=user_id).first()
        return found if found is not None and found.is_active else None


def own_keys() -> KeyRing:
    """The keys with which this host signs for its own machine's operators."""
    return ring_in(Path(settings.FICUS_HOME) / "operator_keys")


def _find(issuer: str, kid: str) -> Ed25519PublicKey | None:
    if issuer == issuer_here(settings.FICUS_HOST):
        own = own_keys().find(kid)
        return own.public if own else None
    if issuer == settings.SHOP_URL:
        return _published(settings.ACCESS_TOKEN_KEYS).find(kid)
    return None


@cache
def _published(location: str) -> PublicKeys:
    return PublicKeys(location)


def _use_once(given: Pass) -> None:
    """A link that was read along the way opens no second session. Raises TokenRefused."""
    # Longer than it is valid, leeway included.
    if not seen.add(f"operator-token:{given.token_id}", 1, timeout=2 * LIFE.total_seconds()):
        raise TokenRefused("it was used before")


def _remember(given: Pass) -> Operator:
    operator, _ = Operator.objects.update_or_create(
        pk=given.id,
        defaults={
            "label": given.label,
            "permissions": list(given.permissions),
            "is_superuser": given.superuser,
            "permitted_until": given.until,
            "seen_at": datetime.now(UTC),
        },
    )
    return operator

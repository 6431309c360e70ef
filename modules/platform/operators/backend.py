"""Lets an operator in by a token, and knows the operator of a session again."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.core.cache import cache as seen

from modules.platform.keys import KeyRing, PublicKeys, ring_in
from modules.platform.operators.models import Operator
from modules.platform.operators.tokens import (
    LIFE,
    Pass,
    TokenRefused,
    TokenUsed,
    issuer_here,
    read,
)

log = structlog.get_logger(__name__)


class OperatorBackend(BaseBackend):
    """Django's authentication backend of hosts without accounts. There is nothing to type in:
    sessions are opened with ``admitted`` (``sessions.py``).
    """

    def get_user(self, user_id: object) -> Operator | None:  # type: ignore[override]
        """The operator of a session; None as soon as nothing is permitted any more."""
        found = Operator.objects.filter(pk=user_id).first()
        return found if found is not None and found.is_active else None


def admitted(token: str) -> tuple[Operator, Pass]:
    """Whom the token lets in, and how; it is used up. Raises TokenRefused, which is logged."""
    try:
        given = read(token, host=settings.FICUS_HOST, find=_find)
        _use_once(given)
    except TokenRefused as error:
        said = {"issuer": error.issuer, "kid": error.kid, "token": error.token_id}
        log.warning("operator.refused", host=settings.FICUS_HOST, reason=str(error), **said)
        raise
    log.info("operator.admitted", operator=given.label, issuer=given.issuer, token=given.token_id)
    return _remember(given), given


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
    """A token that was read along the way opens no second session. Raises TokenUsed."""
    # Longer than it is valid, leeway included.
    if not seen.add(f"operator-token:{given.token_id}", 1, timeout=2 * LIFE.total_seconds()):
        error = TokenUsed(f"it was used before; it is {given.label}'s")
        error.issuer, error.token_id = given.issuer, given.token_id
        raise error


def _remember(given: Pass) -> Operator:
    operator, _ = Operator.objects.update_or_create(
        pk=given.id,
        defaults={
            "label": given.label,
            "issuer": given.issuer[:254],
            "permissions": list(given.permissions),
            "is_superuser": given.superuser,
            "permitted_until": given.until,
            "seen_at": datetime.now(UTC),
        },
    )
    return operator

"""Django's view of the edge."""

from __future__ import annotations

from django.apps import AppConfig


class RestConfig(AppConfig):
    """Keeps the idempotency records, in every module's schema.

    Verifies access tokens where no module knows identity (ACCESS_TOKEN_KEYS).
    """

    name = "modules.platform.rest"
    label = "rest"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        from modules.platform.rest.access_tokens import verifier_of
        from modules.platform.rest.authentication import install_verifier

        if settings.ACCESS_TOKEN_KEYS:
            verifier = verifier_of(settings.ACCESS_TOKEN_KEYS, issuer=settings.SHOP_URL)
            install_verifier(verifier)

"""The request as a view sees it."""

from __future__ import annotations

from rest_framework.request import Request

from modules.platform.contracts import ANONYMOUS, Actor


class ApiRequest(Request):
    """DRF's request, typed. ``actor`` asks; ``expected_version`` comes from If-Match."""

    actor: Actor = ANONYMOUS
    expected_version: int | None = None
    idempotency_key: str = ""

    @property
    def cart_token(self) -> str:
        """The guest's ``Cart-Token`` header, or empty."""
        return str(self.META.get("HTTP_CART_TOKEN", ""))

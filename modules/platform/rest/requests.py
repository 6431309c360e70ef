"""The request as a view sees it."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request

from modules.platform.contracts import ANONYMOUS, Actor


class ApiRequest(Request):
    """DRF's request, typed. ``actor`` asks; ``expected_version`` comes from If-Match.

    ``subject``: of an idempotent operation, the id that what it makes is to have. When a request
    dies and the same key comes again, it is the same: what has that id already is to be answered.
    """

    actor: Actor = ANONYMOUS
    expected_version: int | None = None
    idempotency_key: str = ""
    subject: UUID | None = None

    @property
    def cart_token(self) -> str:
        """The guest's ``Cart-Token`` header, or empty."""
        return str(self.META.get("HTTP_CART_TOKEN", ""))

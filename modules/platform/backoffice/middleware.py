"""Sessions, CSRF and messages for the admin only: the API does not pay for what it never uses."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from modules.platform.backoffice.unavailable import answer_to

PREFIXES = ("/admin", "/api/v1/docs")


class BackofficeMiddleware:
    """Runs BACKOFFICE_MIDDLEWARE around requests under PREFIXES."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        chain = get_response
        for path in reversed(settings.BACKOFFICE_MIDDLEWARE):
            chain = import_string(path)(chain)
        self.chain = chain

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(PREFIXES):
            return self.chain(request)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Django calls this with what a view let through."""
        return answer_to(request, error)

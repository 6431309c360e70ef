"""The page behind an unsubscribe link. A GET changes nothing (mail scanners follow links)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import View

from modules.notification import preferences
from modules.notification.contract import LinkInvalid
from modules.notification.unsubscribing import read_token

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Referrer-Policy": "no-referrer",  # the token is in the address
    "Cache-Control": "no-store",
}
TEMPLATE = "notification/unsubscribe.html"


class UnsubscribePage(View):
    """Asks, and does it when the button is pressed."""

    def get(self, request: HttpRequest) -> HttpResponse:
        try:
            about = read_token(request.GET.get("token", ""))
        except LinkInvalid as error:
            return _page(request, trouble=error.sentence())
        return _page(request, email=about.email, token=request.GET["token"])

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            about = preferences.unsubscribe(token=request.POST.get("token", ""))
        except LinkInvalid as error:
            return _page(request, trouble=error.sentence())
        return _page(request, email=about.email, done=True)


def _page(request: HttpRequest, **context: object) -> HttpResponse:
    response = render(request, TEMPLATE, context)
    for name, value in HEADERS.items():
        response[name] = value
    return response

"""The two pages behind mailed links, for a person with a browser and no storefront.

A GET changes nothing (mail scanners follow links); the button does. The token in the link is
what authorizes, so no cookie is read and there is no CSRF to guard against.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import View

from modules.accounts import customers, tokens
from modules.accounts.contract import LinkInvalid, PasswordRefused

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Referrer-Policy": "no-referrer",  # the token is in the address
    "Cache-Control": "no-store",
}


class LinkPage(View):
    """A page with a form; ``act`` does what the form is for."""

    template = ""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(request, token=request.GET.get("token", ""))

    def post(self, request: HttpRequest) -> HttpResponse:
        token = request.POST.get("token", "")[:1000]
        try:
            self.act(request, token)
        except (LinkInvalid, PasswordRefused) as error:
            return self._show(request, token=token, trouble=error.sentence())
        return self._show(request, done=True)

    def act(self, request: HttpRequest, token: str) -> None:
        raise NotImplementedError

    def _show(self, request: HttpRequest, **context: Any) -> HttpResponse:
        response = render(request, self.template, context)
        for name, value in HEADERS.items():
            response[name] = value
        return response


class VerifyEmailPage(LinkPage):
    """Confirms the address."""

    template = "accounts/verify_email.html"

    def act(self, request: HttpRequest, token: str) -> None:
        customers.verify_email(token=token, now=tokens.utc_now())


class PasswordResetPage(LinkPage):
    """Asks for the next password."""

    template = "accounts/password_reset.html"

    def act(self, request: HttpRequest, token: str) -> None:
        password = request.POST.get("password", "")[:200]
        customers.reset_password(token=token, password=password, now=tokens.utc_now())

"""``/admin/login/`` of a host without accounts: a token opens a session, nothing else does."""

from __future__ import annotations

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET


@never_cache
@require_GET
def sign_in(request: HttpRequest) -> HttpResponse:
    """Open a session with ``?token=`` and go on to ``?next=``; without one say where to go."""
    token = request.GET.get("token", "")
    operator = auth.authenticate(request, operator_token=token) if token else None
    if operator is None:
        shown = {"refused": bool(token), "shop": settings.SHOP_URL, "host": settings.FICUS_HOST}
        status = 403 if token else 200
        return TemplateResponse(request, "operators/sign_in.html", shown, status=status)
    auth.login(request, operator)
    response = HttpResponseRedirect(_next(request))
    response["Referrer-Policy"] = "no-referrer"  # the token is in this address
    return response


def _next(request: HttpRequest) -> str:
    wanted = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if wanted and safe else "/admin/"

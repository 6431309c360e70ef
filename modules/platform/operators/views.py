"""``/admin/login/`` of a host without accounts: a link's token opens a session.

Both pages are for who asks the host itself. Through the front door these addresses are the shop's:
its staff get in without seeing anything (``middleware.py``).
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from modules.platform.operators import sessions
from modules.platform.operators.backend import admitted
from modules.platform.operators.tokens import TokenRefused


@never_cache
@require_GET
def sign_in(request: HttpRequest) -> HttpResponse:
    """Open a session with ``?token=`` and go on to ``?next=``; without one say where to go."""
    token = request.GET.get("token", "")
    if not token:
        return _told(request, status=200)
    try:
        operator, given = admitted(token)
    except TokenRefused:
        return _told(request, status=403, refused=True)
    sessions.begin(request, operator, given)
    response = HttpResponseRedirect(_next(request))
    response["Referrer-Policy"] = "no-referrer"  # the token is in this address
    return response


@never_cache
@csrf_exempt
def no_passes(request: HttpRequest, path: str) -> HttpResponse:
    """Where the shop's admin would give a pass: whoever arrives here did not ask the shop."""
    return _told(request, status=403)


def _told(request: HttpRequest, *, status: int, refused: bool = False) -> HttpResponse:
    shown = {"refused": refused, "shop": settings.SHOP_URL, "host": settings.FICUS_HOST}
    return TemplateResponse(request, "operators/sign_in.html", shown, status=status)


def _next(request: HttpRequest) -> str:
    wanted = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if wanted and safe else "/admin/"

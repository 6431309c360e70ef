"""Gives the shop's staff a session at this host without a second sign-in.

Around the pages ``/admin/<module>/`` of a host without accounts. Who comes without a session is
sent to the shop's admin (``modules/accounts/passes.py``), which knows by its own session who it is,
puts a pass into a cookie for these pages, and sends the browser back. That happens again whenever
the pass has run out, so what the shop permits is asked every few minutes. The redirect keeps method
and body (307): a form that was open meanwhile arrives as it was sent.

The pass is in no address: no log, history or Referer has it. It opens one session, and only in a
browser that is still signed in at the shop as it was when the pass was given.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from modules.platform.operators import sessions
from modules.platform.operators.backend import admitted
from modules.platform.operators.cookies import asked_cookie, pages_of, pass_address, pass_cookie
from modules.platform.operators.tokens import TokenRefused, TokenUsed

log = structlog.get_logger(__name__)

READS = frozenset({"GET", "HEAD"})
MOST_ASKED = 5  # times in a row: more than tabs that open at once need, fewer than browsers follow
ASKED_FOR = 15  # seconds that they are counted together
FRESH = 2.0  # seconds: who is refused by older permissions may have been given others since
NEVER_CAME = "no pass arrived; does the browser take cookies of this address?"


class PassMiddleware:
    """Runs inside sessions, CSRF and authentication; see modules/platform/backoffice."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._host: str = settings.FICUS_HOST
        self._pages = pages_of(self._host)
        self._pass, self._asked = pass_cookie(self._host), asked_cookie(self._host)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self._is_page(request.path):
            return self._get_response(request)
        response = self._answered(request)
        if self._pass in request.COOKIES:
            response.delete_cookie(self._pass, path=self._pages, samesite="Lax")
        return response

    def _is_page(self, path: str) -> bool:
        is_file = path.startswith(str(settings.STATIC_URL))
        return f"{path}/".startswith(self._pages) and not is_file

    def _answered(self, request: HttpRequest) -> HttpResponse:
        try:
            self._take_pass(request)
        except TokenRefused as error:
            if not isinstance(error, TokenUsed) and not sessions.is_open(request):
                return self._refused(request, str(error))
            # One that was used: of two tabs that came at once the other one was faster.
        if not sessions.is_open(request):
            return self._ask(request)
        response = self._get_response(request)
        if self._may_be_outdated(request, response):
            return self._ask(request)
        if self._asked in request.COOKIES:
            response.delete_cookie(self._asked, path=self._pages, samesite="Lax")
        return response

    def _take_pass(self, request: HttpRequest) -> None:
        """Raises TokenRefused."""
        if token := request.COOKIES.get(self._pass):
            operator, given = admitted(token)
            sessions.begin(request, operator, given)

    def _may_be_outdated(self, request: HttpRequest, response: HttpResponse) -> bool:
        """Whether the answer is a refusal that the shop might have lifted since the pass."""
        is_refusal = response.status_code == 403 and request.method in READS
        return is_refusal and sessions.is_from_shop(request) and sessions.age(request) > FRESH

    def _ask(self, request: HttpRequest) -> HttpResponse:
        """Send the browser for a pass, and for what it wanted again."""
        asked = _number(request.COOKIES.get(self._asked, ""))
        if asked >= MOST_ASKED:
            log.warning("operator.refused", host=self._host, reason=NEVER_CAME)
            return self._refused(request, NEVER_CAME)
        status = 302 if request.method in READS else 307
        response = HttpResponse(status=status)
        response["Location"] = pass_address(self._host, request.get_full_path())
        response["Cache-Control"] = "no-store"
        response.set_cookie(
            self._asked,
            str(asked + 1),
            max_age=ASKED_FOR,
            path=self._pages,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
        return response

    def _refused(self, request: HttpRequest, reason: str) -> HttpResponse:
        again = pass_address(self._host, self._pages)
        shown = {"reason": reason, "again": again, "host": self._host}
        response = render(request, "operators/refused.html", shown, status=403)
        response["Cache-Control"] = "no-store"
        response.delete_cookie(self._asked, path=self._pages, samesite="Lax")
        return response


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0

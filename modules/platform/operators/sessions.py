"""An operator's session at this host: opened by a token, over when its pass is, or the shop's."""

from __future__ import annotations

from datetime import UTC, datetime
from hmac import compare_digest
from typing import TYPE_CHECKING

from django.contrib import auth
from django.http import HttpRequest

from modules.platform.operators.cookies import SHOP_SESSION
from modules.platform.operators.tokens import Pass, digest_of

if TYPE_CHECKING:  # the model is installed where operators are, this is read in every host
    from modules.platform.operators.models import Operator

UNTIL, SINCE, SHOPS = "operator_until", "operator_since", "operator_shop"  # keys of a session
BACKEND = "modules.platform.operators.backend.OperatorBackend"


def begin(request: HttpRequest, operator: Operator, given: Pass) -> None:
    """Open a session for ``operator``; a former one in this browser is over."""
    secret = request.META.get("CSRF_COOKIE")
    auth.login(request, operator, backend=BACKEND)  # type: ignore[arg-type]
    if secret is not None:
        # Not a new one: it is the whole origin's, and forms that other hosts have shown carry it.
        request.META["CSRF_COOKIE"] = secret
        request.META.pop("CSRF_COOKIE_NEEDS_UPDATE", None)
    request.session[UNTIL] = given.until.timestamp()
    request.session[SINCE] = datetime.now(UTC).timestamp()
    request.session[SHOPS] = given.session


def is_open(request: HttpRequest) -> bool:
    """Whether the request's session still holds: its pass has not run out, and the browser has
    the same session at the shop as when the pass was given.
    """
    until = request.session.get(UNTIL)
    if until is None or datetime.now(UTC).timestamp() >= until:
        return False
    if is_from_shop(request):
        now = digest_of(request.COOKIES.get(SHOP_SESSION, ""))
        if not compare_digest(now, request.session[SHOPS]):
            return False
    return request.user.is_authenticated


def is_from_shop(request: HttpRequest) -> bool:
    """Whether its operator came from the shop's admin, through the front door."""
    return bool(request.session.get(SHOPS))


def age(request: HttpRequest) -> float:
    """Seconds since its permissions were the shop's own word."""
    since: float = request.session.get(SINCE, 0.0)
    return datetime.now(UTC).timestamp() - since

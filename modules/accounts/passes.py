"""Passes: how staff who are signed in here get into the admin of a module that runs elsewhere.

``/admin/pass/<module>/?next=`` is where the other host sends a browser that has no session there
(``modules/platform/operators/middleware.py``), and where it comes back from with a pass in a
cookie. A pass says who it is and what they may do with that module; it opens one session at that
one host, and what it permits is asked here again when it has run out. So staff who sign out here,
or are no staff any more, or have fewer permissions, are treated so there ``HOLDS`` later at most;
a browser that has signed out, at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import unquote
from uuid import uuid4

import structlog
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from modules.accounts.keys import ring
from modules.accounts.models import User
from modules.accounts.tokens import utc_now
from modules.platform.operators.cookies import pages_of, pass_cookie
from modules.platform.operators.tokens import ON_ITS_WAY, Pass, digest_of, issue

log = structlog.get_logger(__name__)

HOLDS = timedelta(minutes=5)  # what is taken away here is taken away there so much later
LONGEST = 3_900  # characters; browsers drop cookies of more than 4 KB without a word
READS = frozenset({"GET", "HEAD"})
LOGIN = "/admin/login/"


class PassTooLong(Exception):
    """The staff has more permissions of the module than a cookie can carry."""

    def __init__(self, module: str, length: int) -> None:
        super().__init__(f"a pass for {module} would have {length} characters, not {LONGEST}")


@csrf_exempt  # it changes nothing; the form that may come along is for the other host, which checks
@never_cache
def give_pass(request: HttpRequest, module: str) -> HttpResponse:
    """Send staff back to ``?next=``, a page of ``module``, with a pass for its host.

    Others go to the log-in first. 404 for what is no module, 400 for another ``next``.
    """
    if module not in (*settings.FICUS_MODULES, *settings.FICUS_ELSEWHERE):
        raise Http404(f"there is no module {module}")
    wanted = request.GET.get("next", "") or pages_of(module)
    if not _is_page_of(module, wanted):
        log.warning("operator.pass_refused", host=module, reason="next is no page of the module")
        return HttpResponse("next is no page of the module", status=400, content_type="text/plain")
    user = request.user
    if not (isinstance(user, User) and user.is_active and user.is_staff):
        return redirect_to_login(request.get_full_path(), LOGIN)
    response = HttpResponse(status=302 if request.method in READS else 307)
    response["Location"] = wanted
    session = request.session.session_key or ""
    token = pass_for(user, module=module, session=digest_of(session), now=utc_now())
    response.set_cookie(
        pass_cookie(module),
        token,
        max_age=ON_ITS_WAY,
        path=pages_of(module),
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response


def pass_for(user: User, *, module: str, session: str, now: datetime) -> str:
    """A token that lets ``user`` into the admin of ``module``'s host. Raises PassTooLong."""
    given = Pass(
        id=user.pk,
        label=user.email,
        permissions=() if user.is_superuser else permissions_of(user, module),
        superuser=user.is_superuser,
        until=now + HOLDS,
        session=session,
        token_id=uuid4().hex,
    )
    key = ring().signing()
    issuer = settings.SHOP_URL
    token = issue(given, issuer=issuer, host=module, key=key, now=now, life=ON_ITS_WAY)
    if len(token) > LONGEST:
        raise PassTooLong(module, len(token))
    log.info("operator.pass_given", host=module, operator=user.email, token=given.token_id)
    return token


def permissions_of(user: User, module: str) -> tuple[str, ...]:
    """What ``user`` may do with the module's pages, sorted: ``payment.view_payment``."""
    every = user.get_all_permissions()
    return tuple(sorted(name for name in every if name.partition(".")[0] == module))


def _is_page_of(module: str, wanted: str) -> bool:
    """Whether a browser that is sent to ``wanted`` stays on the module's pages."""
    path = unquote(wanted.partition("?")[0]).replace("\\", "/")
    is_below = path.startswith(pages_of(module)) and "/../" not in f"{path}/"
    return is_below and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)

"""What an operator's click is answered while its module's authority moves, or without a database.

To the front door the first says, as REST does: nothing was done here, send it again (503
``Ficus-Fenced``), or send it to the new authority (421 ``Ficus-Moved``). So it waits, and the
operator notices nothing. The view's transaction is rolled back before this; acts that would add up
have a key in their form.
"""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from modules.platform.contracts import Fenced, Moved
from modules.platform.databases.away import is_away
from modules.platform.rest.problems import Problem

log = structlog.get_logger(__name__)
PAGES = "/admin/"
# Of a move: for whoever comes without a front door, or was kept waiting for too long by it.
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{}</title></head>'
    '<body><h1>{}</h1><p role="alert">{}</p><p>{}</p></body></html>'
)


def answer_to(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The answer for such an error on one of the admin's pages; None for anything else.

    A refusal of another module, which was called on the way, says nothing of this page's own
    work: that one is a plain 503.
    """
    if not request.path.startswith(PAGES):
        return None
    if isinstance(error, Fenced | Moved):
        page_of = request.path.removeprefix(PAGES).partition("/")[0]
        problem = Problem.of(error, module=page_of)
        said = f"Nothing was changed. {problem.detail}"
        advice = "Go back and send it again in a moment."
        return _page(problem, f"{error.module} is being moved", said, advice)
    if is_away(error):
        log.error("request.without_database", path=request.path, reason=str(error).strip())
        said, advice = "Nothing can be shown now.", "Load the page again in a moment."
        if request.method not in ("GET", "HEAD"):
            said = "What you sent may have been done or not."
            advice = "Go back in a moment, and look before you send it again."
        return _page(Problem.without_database(), "The database does not answer", said, advice)
    return None


def _page(problem: Problem, title: str, said: str, advice: str) -> HttpResponse:
    body = format_html(_PAGE, title, title, said, advice)
    response = HttpResponse(body, status=problem.status, headers=problem.headers)
    response["Cache-Control"] = "no-store"
    return response

"""What an operator's click is answered while its module's authority moves: as REST answers it.

To the front door that says: nothing was done here, send it again (503 ``Ficus-Fenced``), or send it
to the new authority (421 ``Ficus-Moved``). So it waits, and the operator notices nothing. The
view's transaction is rolled back before this; acts that would add up have a key in their form.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from modules.platform.contracts import Fenced, Moved
from modules.platform.rest.problems import Problem

PAGES = "/admin/"
# For whoever comes without a front door, or was kept waiting for too long by it.
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{}</title></head>'
    '<body><h1>{}</h1><p role="alert">Nothing was changed. {}</p>'
    "<p>Go back and send it again in a moment.</p></body></html>"
)


def answer_to(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The answer for a refusal on one of the admin's pages; None for anything else.

    A refusal of another module, which was called on the way, says nothing of this page's own
    work: that one is a plain 503.
    """
    if not isinstance(error, Fenced | Moved) or not request.path.startswith(PAGES):
        return None
    page_of = request.path.removeprefix(PAGES).partition("/")[0]
    problem = Problem.of(error, module=page_of)
    title = f"{error.module} is being moved"
    response = HttpResponse(
        format_html(_PAGE, title, title, problem.detail),
        status=problem.status,
        headers=problem.headers,
    )
    response["Cache-Control"] = "no-store"
    return response

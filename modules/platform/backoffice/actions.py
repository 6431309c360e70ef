"""``use_case``: an admin action that asks first, acts per row and leaves an audit row."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from modules.platform.backoffice.forms import ReasonForm
from modules.platform.contracts import (
    Actor,
    ActorKind,
    CallContext,
    ContractError,
    Fenced,
    Moved,
    call_context,
)

MOST = 200  # rows per click, as many as "show all" shows; more is a command's work

UseCase = Callable[..., str | None]
Action = Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]


def staff_context(request: HttpRequest) -> CallContext:
    """The call context of an operator's click."""
    user = request.user
    actor = Actor(
        kind=ActorKind.STAFF,
        id=str(user.pk),
        scopes=frozenset({"*"}),
        label=str(user),
    )
    return CallContext(actor=actor)


def use_case(
    description: str, *, permission: str = "view", form: type[ReasonForm] = ReasonForm
) -> Callable[[UseCase], Action]:
    """An admin action that shows ``form``, then calls the decorated method per row.

    The method takes ``(self, request, row)`` and the form's fields by name (``reason`` of a plain
    ReasonForm, ``key`` as well of a KeyedForm), and returns what it did, or None. A ContractError
    is shown to the operator; but that the module is moving, before any row is done, is raised: the
    front door then sends the whole click again. Each row done leaves an audit row with the reason.
    ``permission`` is one of the model's own or a custom one such as ``refund``
    (``has_refund_permission``).
    """

    def decorate(method: UseCase) -> Action:
        @functools.wraps(method)
        def action(
            page: ModelAdmin, request: HttpRequest, rows: QuerySet[Any]
        ) -> HttpResponse | None:
            chosen = list(rows[: MOST + 1])
            if len(chosen) > MOST:
                messages.error(request, f"At most {MOST} at once.")
                return None
            filled = form(request.POST if "reason" in request.POST else None)
            if not filled.is_valid():
                shown = {"title": description, "form": filled, "rows": chosen}
                return _ask(page, request, {"action": method.__name__, **shown})
            reason, done = filled.cleaned_data["reason"], 0
            for row in chosen:
                act = functools.partial(method, page, request, row, **filled.given_for(row))
                if _do(request, row, act, may_come_again=not done):
                    done += 1
                    page.log_change(request, row, f"{description}: {reason}")
            return None

        return admin.action(description=description, permissions=[permission])(action)

    return decorate


def _ask(page: ModelAdmin, request: HttpRequest, shown: dict[str, Any]) -> HttpResponse:
    """The form. It carries the rows it lists: "select all" means those seen, not those to come."""
    context = page.admin_site.each_context(request) | {"opts": page.model._meta, **shown}
    return TemplateResponse(request, "backoffice/use_case.html", context)


def _do(
    request: HttpRequest, row: Model, act: Callable[[], str | None], *, may_come_again: bool
) -> bool:
    """Whether it was done; either way the operator is told.

    Raises Fenced and Moved of the page's own module if the click ``may_come_again``.
    """
    try:
        with call_context(staff_context(request)):
            done = act()
    except ContractError as error:
        own = isinstance(error, Fenced | Moved) and error.module == row._meta.app_label
        if own and may_come_again:
            raise
        messages.error(request, f"{row}: {error}")
        return False
    messages.success(request, f"{row}: {done or 'done'}")
    return True

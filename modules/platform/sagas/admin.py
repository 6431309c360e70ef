"""Sagas for operators: what is at work in all modules, and what waits for a person.

The table stands once in every schema, so these pages read it through ``listing`` instead of one
queryset: at most 100 rows per module, by index. An order makes one row; done ones stay 30 days.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from modules.platform.backoffice.admin import ModuleAdmin, staff_context
from modules.platform.backoffice.forms import ReasonForm
from modules.platform.contracts import ContractError, call_context
from modules.platform.messaging.authority import hosted_modules
from modules.platform.sagas import listing, steering
from modules.platform.sagas.definition import UnknownSaga
from modules.platform.sagas.models import SagaRow
from modules.platform.sagas.saga import Saga, Status

VERBS: dict[str, tuple[str, Callable[..., Saga]]] = {
    "retry": ("Try it again", steering.retry),
    "mark_done": ("It was done by other means", steering.mark_done),
    "skip": ("Go on without it", steering.skip),
}


@admin.register(SagaRow)
class SagaPage(ModuleAdmin):
    """A list over all modules, and a page per saga with its steps."""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<str:module>/<uuid:saga_id>/",
                self.admin_site.admin_view(self.saga_view),
                name="sagas_saga",
            )
        ]
        return [*own, *super().get_urls()]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Without the module nobody could tell which row is meant: single rows have saga_view.
        return obj is None and bool(super().has_view_permission(request))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        chosen = {name: request.GET.get(name, "") for name in ("module", "status", "subject")}
        modules = tuple(m for m in hosted_modules() if chosen["module"] in ("", m))
        context = {
            **self.admin_site.each_context(request),
            "title": "Sagas",
            "opts": self.model._meta,
            "sagas": listing.sagas(modules, status=chosen["status"], subject=chosen["subject"]),
            "chosen": chosen,
            "modules": hosted_modules(),
            "statuses": list(Status),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "sagas/list.html", context)

    def saga_view(self, request: HttpRequest, module: str, saga_id: UUID) -> HttpResponse:
        """One saga; a POST steers one of its manual steps."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = listing.saga(module, saga_id) if module in hosted_modules() else None
        if found is None:
            raise Http404(f"{module} has no saga {saga_id}")
        may_steer = request.user.has_perm("sagas.change_sagarow")
        if request.method == "POST":
            if not may_steer:
                raise PermissionDenied
            self._steer(request, found)
            return HttpResponseRedirect(reverse("admin:sagas_saga", args=[module, saga_id]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{found.type} {found.subject}",
            "opts": self.model._meta,
            "saga": found,
            "verbs": [(verb, label) for verb, (label, _) in VERBS.items()],
            "may_steer": may_steer,
            "form": ReasonForm(),
        }
        return TemplateResponse(request, "sagas/saga.html", context)

    def _steer(self, request: HttpRequest, found: listing.Listed) -> None:
        form, verb = ReasonForm(request.POST), request.POST.get("verb", "")
        number = request.POST.get("step", "")
        if not form.is_valid() or verb not in VERBS or not number.isdigit():
            messages.error(request, "Say why, in 3 to 500 characters.")
            return
        reason = form.cleaned_data["reason"]
        try:
            with call_context(staff_context(request)):
                VERBS[verb][1](found.module, found.id, int(number[:6]), reason=reason)
        except (ContractError, UnknownSaga) as error:
            messages.error(request, str(error))
            return
        self.log_change(
            request,
            SagaRow(id=found.id, type=found.type, subject=found.subject),
            f"{verb} step {number}: {reason}",
        )
        messages.success(request, f"Step {number}: {VERBS[verb][0].lower()}.")

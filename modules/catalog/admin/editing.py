"""Forms whose saving is a use case; what the use case refuses is shown, not a 500."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from modules.platform.backoffice.admin import ModuleAdmin, staff_context
from modules.platform.contracts import ContractError, call_context


class EditingAdmin(ModuleAdmin):
    """Base of the pages that operators edit. Subclasses save through the service.

    Django wraps such a request in one transaction, so a refusal in the middle undoes all of it.
    """

    editable: ClassVar[bool] = True

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            with call_context(staff_context(request)):
                found: HttpResponse = super().changeform_view(
                    request, object_id, form_url, extra_context
                )
        except ContractError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)
        return found

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            with call_context(staff_context(request)):
                found: HttpResponse = super().delete_view(request, object_id, extra_context)
        except ContractError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)
        return found

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without "delete selected", which would go round the use cases."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions


def adopt(row: Any, made: Any) -> None:
    """Let the form's instance stand for what the use case made."""
    row.__dict__.update(made.__dict__)
    row._state.adding = False


def changes(form: Any, fields: tuple[str, ...]) -> dict[str, Any]:
    """The fields the operator changed, by name."""
    return {name: form.cleaned_data[name] for name in fields if name in form.changed_data}


def now() -> datetime:
    return datetime.now(UTC)

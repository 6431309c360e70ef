"""The bus for operators: one page per table, over all modules of this host.

The tables stand once in every schema, so these pages read them through ``status`` and ``tail``
instead of one queryset. All reads are bounded: groups, or at most 100 rows per module.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html

from modules.platform.backoffice.admin import ModuleAdmin, staff_context
from modules.platform.contracts import call_context
from modules.platform.messaging import listings, steering
from modules.platform.messaging.authority import hosted_modules
from modules.platform.messaging.errors import MessagingError
from modules.platform.messaging.models import (
    OutboxEvent,
    ParkedEvent,
    Steering,
    Subscription,
    Timer,
)
from modules.platform.messaging.steering import Selection

VERBS = {
    "replay": "Try them now, in order, with what waits behind them",
    "retry": "Have the worker try them again",
    "skip": "Give them up; what waits behind them goes on",
    "resolve": "Seen to by hand; what waits behind them goes on",
    "hold": "No more retries: a person works on them",
}


class TablePage(ModuleAdmin):
    """A read-only page that shows one listing; there are no pages of single rows."""

    template = "messaging/table.html"
    filters: ClassVar[tuple[str, ...]] = ("module",)
    empty = "Nothing here."

    def listing(self, chosen: dict[str, str]) -> listings.Listing:
        raise NotImplementedError

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        chosen = {name: request.GET.get(name, "").strip() for name in self.filters}
        listing = self.listing(chosen)
        context = {
            **self.admin_site.each_context(request),
            "title": self.model._meta.verbose_name_plural,
            "opts": self.model._meta,
            "table": {"headers": listing.headers, "rows": listing.rows},
            "filters": [self._filter(name, value) for name, value in chosen.items()],
            "empty": self.empty,
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.template, context)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Single rows have no page: without the alias nobody could tell which one is meant.
        return obj is None and bool(super().has_view_permission(request))

    def _filter(self, name: str, value: str) -> dict[str, Any]:
        values = hosted_modules() if name == "module" else ()
        return {"name": name, "label": name.capitalize(), "value": value, "values": values}


def _modules(chosen: dict[str, str]) -> tuple[str, ...]:
    module = chosen.get("module")
    return tuple(m for m in hosted_modules() if not module or m == module)


@admin.register(Subscription)
class SubscriptionPage(TablePage):
    """Who gets whose events, and how far behind they are."""

    empty = "Nobody subscribes to anything here."

    def listing(self, chosen: dict[str, str]) -> listings.Listing:
        return listings.subscriptions(_modules(chosen))


@admin.register(Timer)
class TimerPage(TablePage):
    """What will happen when, and what was given up."""

    empty = "No timers."

    def listing(self, chosen: dict[str, str]) -> listings.Listing:
        return listings.timers(_modules(chosen))


@admin.register(OutboxEvent)
class EventPage(TablePage):
    """The latest events, or all of one key: its story over all modules."""

    filters = ("module", "key")
    empty = "No events."

    def listing(self, chosen: dict[str, str]) -> listings.Listing:
        return listings.events(_modules(chosen), chosen["key"] or None)


@admin.register(Steering)
class SteeringPage(TablePage):
    """Who changed deliveries by hand, and why."""

    empty = "Nobody has changed anything by hand."

    def listing(self, chosen: dict[str, str]) -> listings.Listing:
        return listings.changes(_modules(chosen))


@admin.register(ParkedEvent)
class ParkedEventPage(TablePage):
    """Failed events by fingerprint, to be retried, skipped or resolved with a reason."""

    template = "messaging/letters.html"
    filters = ("module", "fingerprint", "key")
    empty = "No failed events."

    def listing(self, chosen: dict[str, str]) -> listings.Listing:
        if chosen["fingerprint"] or chosen["key"]:
            found = listings.letters(_modules(chosen), chosen["fingerprint"], chosen["key"])
        else:
            found = listings.letter_groups(_modules(chosen))
        boxes = [[_box(value), *row] for value, row in zip(found.values, found.rows, strict=True)]
        return listings.Listing(headers=["", *found.headers], rows=boxes)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may_steer = request.user.has_perm("messaging.change_parkedevent")
        if request.method == "POST":
            if not may_steer:
                raise PermissionDenied
            self._steer(request)
            return HttpResponseRedirect(request.get_full_path())
        return super().changelist_view(
            request, {"may_steer": may_steer, "verbs": VERBS.items(), **(extra_context or {})}
        )

    def _steer(self, request: HttpRequest) -> None:
        verb = request.POST.get("verb", "")
        chosen = request.POST.getlist("chosen")
        if verb not in VERBS or not chosen:
            messages.error(request, "Choose what to change, and how.")
            return
        actor = str(request.user)
        for value in chosen:
            try:
                with call_context(staff_context(request)):
                    done = getattr(steering, verb)(
                        _selection(value), reason=request.POST.get("reason", ""), actor=actor
                    )
            except (MessagingError, ValueError) as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"{verb}: {done.changed} of {done.target}")


def _box(value: str) -> str:
    return format_html('<input type="checkbox" name="chosen" value="{}">', value)


def _selection(value: str) -> Selection:
    """``consumer|source|fingerprint`` or ``consumer#id``, as ``listings`` gives them."""
    consumer, _, letter = value.partition("#")
    if letter:
        return Selection(consumer=consumer, ids=(int(letter),))
    consumer, source, fingerprint = value.split("|")
    return Selection(consumer=consumer, source=source, fingerprint=fingerprint)

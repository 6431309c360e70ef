"""The admin's site: its menu leads wherever a module's pages are, on this host or on another.

An address ``/admin/<module>/`` is the same wherever the module runs, and the front door knows
where. So the shop lists modules that it does not compose itself. Another host that is asked through
the front door lists its own module only, and its pages fetch the shop's menu from ``/admin/menu/``
(``modules/platform/operators/static``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from unfold.sites import UnfoldAdminSite

from modules.platform.operators import cookies, sessions

App = dict[str, Any]


class _At(NamedTuple):
    """As much of a request as the menu's template needs to know where one is."""

    path: str


class BackofficeSite(UnfoldAdminSite):
    """One per process, in place of Django's own."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[App]:
        """As Django's: apps by name, each with the models that ``request``'s user may see."""
        here: list[App] = super().get_app_list(request, app_label)
        if sessions.is_from_shop(request):
            return [app for app in here if app["app_label"] in settings.FICUS_MODULES]
        away = [_app_elsewhere(name) for name in _elsewhere(request) if app_label in (None, name)]
        return sorted([*here, *away], key=lambda app: str(app["name"]).lower())

    def menu(self, request: HttpRequest) -> HttpResponse:
        """The menu alone, as a page at the path ``?at=`` shows it."""
        shown = {"app_list": self.get_app_list(request), "request": _At(request.GET.get("at", ""))}
        return HttpResponse(render_to_string("admin/app_list.html", shown))

    def get_urls(self) -> list[URLPattern]:
        """A service's own search for choices is below its pages: the shop has not its rows."""
        before: list[URLPattern] = super().get_urls()
        if settings.FICUS_HOST not in settings.FICUS_MODULES:
            return [path("menu/", self.admin_view(self.menu)), *before]
        own = path(
            f"{settings.FICUS_HOST}/autocomplete/",
            self.admin_view(self.autocomplete_view),
            name="autocomplete",
        )
        return [own, *(one for one in before if getattr(one, "name", "") != "autocomplete")]


def _elsewhere(request: HttpRequest) -> tuple[str, ...]:
    """The shop's modules that other hosts have, and whose pages the user may see."""
    names: tuple[str, ...] = settings.FICUS_ELSEWHERE
    return tuple(name for name in names if request.user.has_module_perms(name))


def _app_elsewhere(module: str) -> App:
    """An entry of the list. Which models there are, the other host says."""
    address = cookies.pages_of(module)
    pages: App = {
        "model": None,
        "name": "All pages",
        "object_name": "Pages",
        "perms": {"add": False, "change": False, "delete": False, "view": True},
        "admin_url": address,
        "add_url": None,
        "view_only": True,
    }
    return {
        "name": module.title(),
        "app_label": module,
        "app_url": address,
        "has_module_perms": True,
        "models": [pages],
    }

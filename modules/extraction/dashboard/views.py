"""The pages: the board, a module, and the same as JSON for who looks on. All for staff only."""

from __future__ import annotations

import hashlib
from typing import Any

import structlog
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from modules.extraction.dashboard import parts
from modules.extraction.dashboard.buttons import Kind, may
from modules.extraction.dashboard.sections import pressed

log = structlog.get_logger(__name__)


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """All modules by phase."""
    check(request, Kind.LOOK, verb="overview")
    news = _board_news(request)
    context = {"title": "Extraction", "live": reverse("extraction_live"), **news}
    return drawn(request, "extraction/overview.html", context | {"etag": etag_of(news)})


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The board's parts, if they have changed."""
    check(request, Kind.LOOK, verb="overview")
    return _changed(request, _board_news(request))


@require_safe
def module_page(request: HttpRequest, module: str) -> HttpResponse:
    """One module, with all that is known of it."""
    check(request, Kind.LOOK, module=module, verb="page")
    news = _module_news(request, module)
    context = {
        "title": module,
        "module": module,
        "live": reverse("extraction_module_live", args=[module]),
        "stop": reverse("extraction_stop", args=[module]),
        "sections": parts.SECTIONS,
        **news,
    }
    return drawn(request, "extraction/module.html", context | {"etag": etag_of(news)})


@require_safe
def module_live(request: HttpRequest, module: str) -> HttpResponse:
    """The module's parts, if they have changed."""
    check(request, Kind.LOOK, module=module, verb="page")
    return _changed(request, _module_news(request, module))


def check(request: HttpRequest, kind: Kind, *, verb: str, module: str = "") -> None:
    """Raises PermissionDenied, which is logged with who and what."""
    if not may(request.user, kind):
        refused(request, module=module, verb=verb, why=f"no permission {kind}")
        raise PermissionDenied


def refused(request: HttpRequest, *, module: str, verb: str, why: str) -> None:
    """On the log: an operator was refused. What was begun is on record as a step."""
    log.warning(
        "extraction.press_refused", actor=str(request.user), module=module, verb=verb, why=why
    )


def drawn(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A page of the admin."""
    every = admin.site.each_context(request)
    return TemplateResponse(request, template, every | context, status=status)


def etag_of(news: dict[str, Any]) -> str:
    """A digest of what is shown."""
    text = repr(sorted(news["parts"].items())) + news["say"]
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _board_news(request: HttpRequest) -> dict[str, Any]:
    return {"parts": parts.board(request.user), "say": ""}


def _module_news(request: HttpRequest, module: str) -> dict[str, Any]:
    press = pressed(module)  # once: what is said and what is shown are of the same moment
    return {"parts": parts.page(module, request.user, press), "say": parts.sentence(press)}


def _changed(request: HttpRequest, news: dict[str, Any]) -> HttpResponse:
    """The news, or 304 for who has them. The page asks with the tag itself: no cache is asked."""
    etag = etag_of(news)
    known = request.headers.get("If-None-Match", "").removeprefix("W/")
    answer = HttpResponse(status=304) if known == etag else JsonResponse(news)
    answer["ETag"] = etag
    return answer

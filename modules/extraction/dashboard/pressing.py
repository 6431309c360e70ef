"""A button: the dry run is shown first, then it is confirmed with why, then it is begun."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from modules.extraction.controlling import busy, holder
from modules.extraction.dashboard import looks, presses
from modules.extraction.dashboard.buttons import DESTRUCTIVE, STOPPABLE, kind_of, verb_named
from modules.extraction.dashboard.forms import ConfirmForm, options_form, options_of
from modules.extraction.dashboard.keeping import Kept
from modules.extraction.dashboard.launching import launch
from modules.extraction.dashboard.looks import Looked, NotLookedAt, Token
from modules.extraction.dashboard.presses import Ended
from modules.extraction.dashboard.views import check, drawn, refused
from modules.extraction.errors import ControllerBusy
from modules.extraction.standings import standing_of
from modules.extraction.verbs import Verb
from modules.platform.backoffice.admin import staff_context

PATIENCE = 10  # seconds, for a dry run
LOOKS = Kept(patience=PATIENCE)
Options = dict[str, Any] | None  # None: they are still to be chosen


@require_http_methods(["GET", "HEAD", "POST"])
def verb_page(request: HttpRequest, module: str, verb: str) -> HttpResponse:
    """GET looks, POST begins. 403 without the permission, 404 for a verb that is none."""
    said = verb_named(verb)
    if said is None:
        raise Http404(f"There is no button {verb}.")
    check(request, kind_of(verb), module=module, verb=verb)
    if request.method == "POST":
        return _confirmed(request, said, module)
    chosen, options = _chosen(said, request)
    return _page(request, said, module, options, chosen=chosen)


@require_POST
def stop(request: HttpRequest, module: str) -> HttpResponse:
    """Have the process of a press interrupted, where that leaves nothing half done."""
    press = presses.current(module)
    verb = press.verb if press else ""
    check(request, kind_of(verb), module=module, verb=f"stop {verb}")
    asked = str(press.pk) == request.POST.get("press") if press else False
    if press is None or not asked or verb not in STOPPABLE:
        refused(request, module=module, verb=f"stop {verb}", why="it cannot be stopped")
        messages.error(request, f"Nothing of {module} is at work that can be stopped.")
    elif presses.ask_to_stop(module, press.pk, str(request.user)):
        messages.success(request, f"{verb} of {module} is being stopped.")
    return _back_to(module)


def _confirmed(request: HttpRequest, verb: Verb, module: str) -> HttpResponse:
    user = str(request.user.pk)
    text = request.POST.get("token", "")
    try:
        token = looks.opened(text, module=module, verb=verb.name, user=user)
    except NotLookedAt as error:
        return _refused(request, verb, module, _defaults(verb), str(error), status=409)
    form = ConfirmForm(verb, module, request.POST)
    if not form.is_valid():
        said = form.errors.get_json_data().items()
        why = "; ".join(f"{name}: {one['message']}" for name, all_of in said for one in all_of)
        return _refused(request, verb, module, token.options, why, status=400)
    try:
        _begin(request, token, form.cleaned_data["reason"])
    except (ControllerBusy, NotLookedAt, OSError) as error:
        return _refused(request, verb, module, token.options, str(error), status=409)
    messages.success(request, f"{verb.name} of {module} has begun.")
    return _back_to(module)


def _begin(request: HttpRequest, token: Token, reason: str) -> None:
    """Raises ControllerBusy, NotLookedAt, and OSError when no process can be started."""
    press = presses.opened(token, reason=reason, actor=staff_context(request).actor)
    try:
        launch(press.pk)
    except OSError as error:
        presses.end(press.pk, Ended.FAILED, f"its process cannot be started: {error}")
        raise


def _refused(
    request: HttpRequest, verb: Verb, module: str, options: Options, why: str, *, status: int
) -> HttpResponse:
    refused(request, module=module, verb=verb.name, why=why)
    return _page(request, verb, module, options, why=why, status=status)


def _page(
    request: HttpRequest,
    verb: Verb,
    module: str,
    options: Options,
    *,
    chosen: Form | None = None,
    why: str = "",
    status: int = 200,
) -> HttpResponse:
    """The dry run of now, and the form that confirms it; filled in again after a refusal."""
    looked = _looked(verb, module, options) if options is not None else None
    at_it = holder(module)
    context = {
        "title": f"{verb.name} {module}",
        "module": module,
        "verb": verb,
        "destructive": verb.name in DESTRUCTIVE,
        "decides_nothing": verb.name in looks.ONLY_LOOKS,
        "options": options_form(verb)(initial=options or {}) if chosen is None else chosen,
        "looked": looked,
        "confirm": _confirming(request, verb, module, options, looked),
        "why": why,
        "busy": str(busy(module)) if at_it is not None else "",
    }
    return drawn(request, "extraction/verb.html", context, status=status)


def _looked(verb: Verb, module: str, options: dict[str, Any]) -> Looked:
    key = (verb.name, module, repr(options))
    try:
        return LOOKS.get(key, 0.0, partial(looks.look, verb, module, options))
    except TimeoutError:
        return Looked(refused=f"no answer within {PATIENCE} s; something holds its tables")


def _confirming(
    request: HttpRequest, verb: Verb, module: str, options: Options, looked: Looked | None
) -> ConfirmForm | None:
    """None where the dry run says that it would be refused."""
    if looked is None or looked.refused or options is None:
        return None
    token = Token(
        module=module,
        verb=verb.name,
        user=str(request.user.pk),
        options=options,
        standing=standing_of(module),
    ).sealed()
    if request.method == "POST":
        return ConfirmForm(verb, module, {**request.POST.dict(), "token": token})
    return ConfirmForm(verb, module, initial={"reason": verb.reason, "token": token})


def _chosen(verb: Verb, request: HttpRequest) -> tuple[Form, Options]:
    """The options as asked for; those by default when nothing was, unless one must be chosen."""
    kind = options_form(verb)
    if "look" not in request.GET:
        return kind(), _defaults(verb)
    form = kind(request.GET)
    return form, options_of(verb, form.cleaned_data) if form.is_valid() else None


def _defaults(verb: Verb) -> Options:
    wanted = options_form(verb)().fields.values()
    if any(one.required and one.initial in (None, "") for one in wanted):
        return None
    return options_of(verb, {})


def _back_to(module: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("extraction_module", args=[module]))

"""What no existing data plane does for a document; the same notes for every target."""

from __future__ import annotations

from strangler_proxy.config import (
    Document,
    Fields,
    Headers,
    Hold,
    Listen,
    Phase,
    Recording,
    Route,
)
from strangler_proxy.render.plan import Place, copy_of, networks, places
from strangler_proxy.render.report import Notes

# Phases in which a cutover or a rollback may come.
MOVING = (Phase.SHADOW, Phase.CANARY, Phase.EXTRACTED)


def report_common(document: Document, target: str, notes: Notes) -> None:
    """Control by hand-over of authority, shared counting, bodies, recording."""
    _authority(document, target, notes)
    if document.admin is not None:
        _admin(document, target, notes)
    if document.shared_limits is not None:
        notes.lost(
            "$.shared_limits",
            f"{target} counts in each process alone",
            "divide limits by their number",
        )
    if document.cors is not None:
        notes.lost("$.cors", f"{target} lets no page of another origin read its own answers")
    if document.authentication is not None:
        notes.lost(
            "$.authentication.bad_tokens_per_minute",
            f"{target} looks at every token",
            "limit requests per address",
        )
    if document.recording != Recording():
        notes.lost("$.recording", f"{target} records nothing")
    if document.state is not None:
        notes.lost(
            "$.state", f"{target} keeps its own files; the rendered ones are the last good table"
        )
    for place in places(document):
        _route(place, document, target, notes)


def _route(place: Place, document: Document, target: str, notes: Notes) -> None:
    route = place.route
    for part, rules in (("request", route.request), ("response", route.response)):
        if rules is not None and rules.body != Fields():
            notes.lost(
                f"{place.path}.{part}.body",
                f"{target} does not read JSON bodies",
                "translate in the upstream",
            )
    copy = copy_of(document, place)
    if copy is not None and copy.mirror.record:
        notes.lost(f"{copy.path}.record", f"{target} throws the answers to copies away")
    if copy is not None and copy.mirror.confirm_seconds:
        notes.lost(f"{copy.path}.confirm_seconds", f"{target} compares no answers")


def _authority(document: Document, target: str, notes: Notes) -> None:
    for name, capability in document.capabilities.items():
        path = f"$.capabilities.{name}"
        if capability.mirror is not None and capability.phase is not Phase.SHADOW:
            notes.approximated(f"{path}.mirror", "it is rendered when the phase is shadow")
        if capability.held:
            notes.lost(f"{path}.held", f"{target} cannot let commands wait")
        if capability.phase not in MOVING and capability.hold == Hold() and not capability.epoch:
            continue
        notes.lost(
            f"{path}.hold",
            f"{target} passes commands on while authority moves, and a fenced host refuses them",
            "cut over through strangler_proxy, or let callers repeat what was refused",
        )
        notes.lost(
            f"{path}.epoch",
            f"{target} hands an answer 421 Moved on to the client",
            "render and load again as soon as the phase has changed",
        )


def _admin(document: Document, target: str, notes: Notes) -> None:
    admin = document.admin
    if admin is None:
        return
    if admin.token_file is not None:
        notes.lost(
            "$.admin.token_file",
            f"the admin pages of {target} ask for no token",
            "let only operators reach the address",
        )
    if admin.registration_token_file is not None:
        notes.lost("$.admin.registration_token_file", f"nothing registers at {target}")


def report_unix_proxies(listen: Listen, path: str, target: str, notes: Notes) -> None:
    """Of a target that believes by address alone."""
    if len(networks(listen)) < len(listen.trusted_proxies):
        notes.lost(
            f"{path}.trusted_proxies",
            f"{target} does not believe who connects by a unix socket",
            "let the proxy in front connect by TCP, and name its address",
        )


def report_renames(headers: Headers, path: str, notes: Notes) -> None:
    """Header rules are done one after the other."""
    old = {name.lower() for name in headers.rename}
    if old & {name.lower() for name in headers.rename.values()}:
        reason = "renames happen one after the other, so names are not swapped"
        notes.approximated(f"{path}.rename", reason)


def report_fallback(route: Route, path: str, notes: Notes, *, has_cache: bool) -> None:
    """A fallback upstream is asked by health, not by answer; old answers need a cache."""
    fallback = route.fallback
    if fallback is None:
        return
    if fallback.stale and not has_cache:
        notes.lost(f"{path}.fallback", "there is no cache that would give an old answer")
    if fallback.upstream is not None:
        notes.approximated(
            f"{path}.fallback.upstream",
            "it is asked when the other has no healthy instance, whatever the method",
        )
        notes.lost(f"{path}.fallback.statuses", "an answer of the first upstream is passed on")

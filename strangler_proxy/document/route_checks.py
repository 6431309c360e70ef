"""Whether the routes of a document can be followed, each by itself and all together."""

from __future__ import annotations

from collections.abc import Iterator

from strangler_proxy.config import (
    Answer,
    Capability,
    Demand,
    Document,
    Fallback,
    Headers,
    Mirror,
    Route,
)
from strangler_proxy.errors import Finding, Refusal, TableRefused
from strangler_proxy.paths import canonical, is_internal
from strangler_proxy.transform.headers import RESPONSE_RESERVED, header_findings
from strangler_proxy.transform.rules import compile_request_rules, compile_response_rules

INTERNAL = "/rpc is between hosts and is never routed"


def route_findings(document: Document) -> Iterator[Finding]:
    """Everything that is wrong with the routes."""
    names: dict[str, int] = {}
    for index, route in enumerate(document.routes):
        path = f"$.routes[{index}]"
        if route.name in names:
            reason = f"{route.name} is the name of $.routes[{names[route.name]}] already"
            yield Finding(path=f"{path}.name", reason=reason)
        names.setdefault(route.name, index)
        yield from _prefix(route, path)
        yield from _target(route, document, path)
        yield from _credentials(route, document, path)
        yield from _lists(route, document, path)
        yield from _fallback(route, document, path)
        yield from _rules(route, path)
        yield from _contradictions(route, path)
    yield from _twice(document.routes)


def _prefix(route: Route, path: str) -> Iterator[Finding]:
    where = f"{path}.prefix"
    prefix = route.prefix.encode()
    plain = canonical(prefix)
    if isinstance(plain, Refusal) or plain != prefix or b"%" in prefix:
        reason = f"{route.prefix} never matches; write it without %, //, dot segments and \\"
        yield Finding(path=where, reason=reason)
    elif not route.exact and len(prefix) > 1 and prefix.endswith(b"/"):
        reason = f"matches whole segments anyway; write {route.prefix.rstrip('/')}"
        yield Finding(path=where, reason=reason)
    if is_internal(prefix):
        yield Finding(path=where, reason=INTERNAL)
    new = route.request.prefix if route.request is not None else None
    if new is not None:
        if canonical(new.encode()) != new.encode() or "%" in new:
            reason = f"{new} is ambiguous; write it without %, //, dot segments and \\"
            yield Finding(path=f"{path}.request.prefix", reason=reason)
        if is_internal(new.encode()):
            yield Finding(path=f"{path}.request.prefix", reason=INTERNAL)


def _target(route: Route, document: Document, path: str) -> Iterator[Finding]:
    chosen = (route.capability is not None, route.upstream is not None, route.answer is not None)
    if sum(chosen) != 1:
        reason = f"{route.name} needs exactly one of capability, upstream and answer"
        yield Finding(path=path, reason=reason)
    if route.capability is not None and route.capability not in document.capabilities:
        reason = f"there is no capability {route.capability}"
        yield Finding(path=f"{path}.capability", reason=reason)
    if route.upstream is not None and route.upstream not in document.upstreams:
        reason = f"there is no upstream {route.upstream}"
        yield Finding(path=f"{path}.upstream", reason=reason)
    if route.answer is not None:
        yield from _answer(route.answer, f"{path}.answer")
    if route.mirror is not None:
        yield from mirror_findings(route.mirror, document, f"{path}.mirror")
        if route.mirror.upstream in _own_upstreams(route, document):
            reason = f"{route.mirror.upstream} answers this route already"
            if route.capability is not None:
                reason += "; what its service gets in phase shadow stands at the capability"
            yield Finding(path=f"{path}.mirror.upstream", reason=reason)


def mirror_findings(mirror: Mirror, document: Document, path: str) -> Iterator[Finding]:
    """What is wrong with a mirror."""
    if mirror.record and document.state is None:
        reason = "needs a folder to write to: give the document a state"
        yield Finding(path=f"{path}.record", reason=reason)
    if mirror.confirm_seconds and not mirror.record:
        reason = "is for recorded pairs: set record, too"
        yield Finding(path=f"{path}.confirm_seconds", reason=reason)
    if mirror.upstream not in document.upstreams:
        yield Finding(path=f"{path}.upstream", reason=f"there is no upstream {mirror.upstream}")
    if len(set(mirror.methods)) != len(mirror.methods):
        yield Finding(path=f"{path}.methods", reason="names one twice")


def _own_upstreams(route: Route, document: Document) -> set[str]:
    """Where the route may lead by itself."""
    capability: Capability | None = document.capabilities.get(route.capability or "")
    if capability is None:
        return {route.upstream} if route.upstream is not None else set()
    return {capability.monolith} | ({capability.service} if capability.service else set())


def _answer(answer: Answer, path: str) -> Iterator[Finding]:
    if answer.body and answer.status in (204, 205, 304):
        yield Finding(path=f"{path}.body", reason=f"an answer {answer.status} has none")
    rules = Headers(set=answer.headers)
    for finding in header_findings(rules, RESPONSE_RESERVED, path):
        where = finding.path.replace(f"{path}.set", f"{path}.headers", 1)
        yield Finding(path=where, reason=finding.reason)


def _credentials(route: Route, document: Document, path: str) -> Iterator[Finding]:
    if route.authentication is not Demand.NONE and document.authentication is None:
        reason = (
            f"is {route.authentication} on {route.name}, but the document has no section"
            " authentication; add it, or write none"
        )
        yield Finding(path=f"{path}.authentication", reason=reason)
    if route.scopes and route.authentication is not Demand.REQUIRED:
        reason = "mean nothing unless authentication is required"
        yield Finding(path=f"{path}.scopes", reason=reason)
    for index, scope in enumerate(route.scopes):
        # RFC 6749 appendix A.4: the characters that a scope may have.
        if not scope or any(not "!" <= mark <= "~" or mark in '"\\' for mark in scope):
            yield Finding(path=f"{path}.scopes[{index}]", reason=f"{scope!r} is not a scope")


def _lists(route: Route, document: Document, path: str) -> Iterator[Finding]:
    for index, name in enumerate(route.rate_limits):
        if name not in document.rate_limits:
            where = f"{path}.rate_limits[{index}]"
            yield Finding(path=where, reason=f"there is no rate limit {name}")
    for option in ("methods", "hosts", "scopes", "sticky", "rate_limits", "upgrade"):
        values = getattr(route, option)
        if len(set(values)) != len(values):
            yield Finding(path=f"{path}.{option}", reason="names one twice")
    if "CONNECT" in route.methods:
        yield Finding(path=f"{path}.methods", reason="CONNECT is never routed")


def _fallback(route: Route, document: Document, path: str) -> Iterator[Finding]:
    fallback: Fallback | None = route.fallback
    if fallback is None:
        return
    where = f"{path}.fallback"
    chosen = (fallback.upstream is not None, fallback.answer is not None, fallback.stale)
    if sum(chosen) != 1:
        yield Finding(path=where, reason="needs exactly one of upstream, answer and stale")
    if not fallback.statuses:
        yield Finding(path=f"{where}.statuses", reason="names none, so it would never be used")
    if fallback.stale and route.cache is None:
        yield Finding(path=f"{where}.stale", reason=f"needs a cache on {route.name}")
    if fallback.answer is not None:
        yield from _answer(fallback.answer, f"{where}.answer")
    if fallback.upstream is not None:
        if fallback.upstream not in document.upstreams:
            reason = f"there is no upstream {fallback.upstream}"
            yield Finding(path=f"{where}.upstream", reason=reason)
        if fallback.upstream in _own_upstreams(route, document):
            reason = f"points at {fallback.upstream}, which {route.name} leads to already"
            yield Finding(path=f"{where}.upstream", reason=reason)


def _rules(route: Route, path: str) -> Iterator[Finding]:
    """What the compilers of header, target and body rules say."""
    try:
        compile_request_rules(route.request, route.prefix, f"{path}.request")
    except TableRefused as error:
        yield from error.findings
    try:
        compile_response_rules(route.response, f"{path}.response")
    except TableRefused as error:
        yield from error.findings


def _contradictions(route: Route, path: str) -> Iterator[Finding]:
    """Options that exclude each other."""
    if route.answer is not None:
        for option in ("cache", "mirror", "fallback", "request", "response", "upgrade"):
            if getattr(route, option):
                reason = "means nothing on a route with a fixed answer"
                yield Finding(path=f"{path}.{option}", reason=reason)
    if route.upgrade:
        for option in ("cache", "mirror"):
            if getattr(route, option):
                reason = "excludes upgrade: an upgraded connection has no answer to keep or to copy"
                yield Finding(path=f"{path}.{option}", reason=reason)


def _twice(routes: tuple[Route, ...]) -> Iterator[Finding]:
    """Routes that another one takes every request of, method by method."""
    taken: dict[tuple[str, str, bool, str], str] = {}
    for index, route in enumerate(routes):
        for host in route.hosts or ("",):
            for method in route.methods or ("",):
                other = taken.setdefault((host, route.prefix, route.exact, method), route.name)
                if other != route.name:
                    asked = " ".join(filter(None, [method, f"{host}{route.prefix}"]))
                    reason = f"{route.name} gets no {asked}: {other} stands before it"
                    yield Finding(path=f"$.routes[{index}].prefix", reason=reason)

"""What nginx does not do as the document says."""

from __future__ import annotations

from strangler_proxy.config import (
    Cache,
    ClientLimits,
    Demand,
    Document,
    Fallback,
    Fields,
    Listen,
    Outliers,
    RateLimit,
    Retry,
    Route,
    Upstream,
)
from strangler_proxy.render.beyond import report_common, report_renames
from strangler_proxy.render.nginx.asking import NEXT
from strangler_proxy.render.nginx.upstreams import pool_of
from strangler_proxy.render.plan import (
    INTERNAL_REQUEST,
    UNLIMITED,
    Copy,
    Place,
    copy_of,
    places,
    sides_of,
)
from strangler_proxy.render.report import Notes


def report(document: Document, notes: Notes) -> None:
    """All notes."""
    report_common(document, "nginx", notes)
    notes.approximated(
        "$.routes",
        f"internal headers are taken away by name, not by prefix: {', '.join(INTERNAL_REQUEST)}",
    )
    for i, listen in enumerate(document.listen):
        _listen(listen, f"$.listen[{i}]", notes)
    _authentication(document, notes)
    for name, limit in document.rate_limits.items():
        _limit(limit, f"$.rate_limits.{name}", notes)
    for name, upstream in document.upstreams.items():
        _upstream(upstream, f"$.upstreams.{name}", notes)
    for place in places(document):
        _route(document, place, notes)
    if document.admin is not None:
        notes.approximated("$.admin.address", "there are /-/live and /-/upstreams only")


def _listen(listen: Listen, path: str, notes: Notes) -> None:
    limits = f"{path}.limits"
    notes.approximated(
        f"{limits}.head_bytes", "it is divided into lines of target_bytes; no line may be longer"
    )
    if listen.limits.header_count != ClientLimits().header_count:
        notes.lost(f"{limits}.header_count", "nginx limits headers by their bytes only")
    notes.approximated(
        f"{limits}.connections", "one limit for all listeners, clients and upstreams together"
    )
    if listen.trusted_proxies:
        notes.approximated(
            f"{path}.trusted_proxies",
            "X-Forwarded-For goes on with the client's address at its end instead of the proxy's",
        )


def _authentication(document: Document, notes: Notes) -> None:
    if document.authentication is None:
        return
    notes.lost(
        "$.authentication",
        "nginx verifies no tokens: it only refuses requests without credentials where they are "
        "required, and nobody is staff",
        "let the upstreams verify tokens, as Ficus's hosts do, or render for Envoy",
    )
    for place in places(document):
        route = place.route
        if route.authentication is Demand.NONE:
            continue
        where = f"{place.path}.authentication"
        if route.authentication is Demand.REQUIRED:
            notes.approximated(where, "only whether there are credentials; see $.authentication")
        else:
            notes.lost(where, "wrong credentials pass, too; see $.authentication")
        if route.scopes:
            notes.lost(
                f"{place.path}.scopes", "tokens are not verified", "let the upstream check them"
            )


def _limit(limit: RateLimit, path: str, notes: Notes) -> None:
    notes.approximated(
        path,
        "the rate is in whole requests a second or a minute, nobody is told in RateLimit fields, "
        "and an IPv6 address is not its /64",
    )
    if limit.per == "identity":
        notes.lost(f"{path}.per", "nobody's identity is known: every limit is by address")


def _upstream(upstream: Upstream, path: str, notes: Notes) -> None:
    notes.approximated(f"{path}.bulkhead.concurrent", "it is divided among the instances by weight")
    for option in ("queue", "queue_seconds"):
        notes.lost(f"{path}.bulkhead.{option}", "nobody waits for a turn: who finds none gets 502")
    notes.lost(f"{path}.retry_budget", "nginx limits retries by request only")
    if upstream.registry is not None:
        notes.lost(
            f"{path}.registry",
            "nginx does not read the registry; the upstream has no servers",
            "name the instances, or a DNS name that has them all",
        )
    if upstream.dns is not None:
        reason = "the name is asked once, at start and reload, and must be known then"
        notes.lost(f"{path}.dns.refresh_seconds", reason, "reload on a change")
    if upstream.breaker is not None:
        notes.lost(f"{path}.breaker", "nginx does not know a ratio of failures", "outliers")
    if upstream.outliers is not None:
        notes.approximated(
            f"{path}.outliers",
            "failures count within the time of an ejection, in a row or not, answers only where "
            "another instance may be asked; it is in whole seconds and never longer the second "
            "time, and how many may be out has no limit",
        )
        for option in ("max_eject_seconds", "max_ejected_percent"):
            if getattr(upstream.outliers, option) != getattr(Outliers(), option):
                notes.lost(f"{path}.outliers.{option}", "nginx has no such limit")
    if upstream.health is not None:
        notes.lost(f"{path}.health", "this nginx asks nobody by itself", "outliers")
    names = {instance.address.rpartition(":")[0] for instance in upstream.instances}
    if upstream.tls is not None and upstream.tls.server_name is None and len(names) > 1:
        notes.approximated(
            f"{path}.tls.server_name",
            "all certificates must name the first instance",
            "say the name that all certificates have",
        )


def _route(document: Document, place: Place, notes: Notes) -> None:
    route, path = place.route, place.path
    _side(document, place, notes)
    notes.approximated(
        f"{path}.deadline_seconds", "it limits how long the upstream is silent, not the whole"
    )
    if route.request_bytes == 0:
        notes.approximated(f"{path}.request_bytes", "0 would be no limit; it is 1")
    if route.response_bytes < UNLIMITED:
        notes.lost(f"{path}.response_bytes", "nginx does not count the bytes of an answer")
    _retry(route.retry, f"{path}.retry", notes)
    if route.answer is not None and route.rate_limits:
        notes.lost(f"{path}.rate_limits", "a fixed answer is given before anything is counted")
    if route.cache is not None:
        _cache(route.cache, f"{path}.cache", notes)
    _rules(route, path, notes)
    if route.fallback is not None:
        _fallback(route.fallback, f"{path}.fallback", notes)
    if route.upgrade:
        notes.approximated(f"{path}.upgrade", "such a connection may be silent for an hour")
    copy = copy_of(document, place)
    if copy is not None:
        _copy(copy, place, notes)


def _side(document: Document, place: Place, notes: Notes) -> None:
    route, path = place.route, place.path
    sides = sides_of(document, route)
    if sides is None or route.capability is None:
        return
    asked = sides.canary or sides.main
    if sides.relief is not None and pool_of(document, sides, asked) == asked:
        notes.lost(
            f"$.capabilities.{route.capability}.monolith",
            f"it cannot stand in for {asked}: nginx speaks TLS to both or to none",
            "the same TLS options for both",
        )
    notes.approximated(
        f"{path}.sticky",
        "nginx's own hash (MurmurHash2) splits: the same share of clients, and who is in stays "
        "in, but others than at strangler_proxy, Envoy or HAProxy",
        "do not run it beside one of them during a canary",
    )
    if "identity" in route.sticky:
        notes.lost(f"{path}.sticky", "nobody's identity is known: the next source is the key")


def _retry(retry: Retry, path: str, notes: Notes) -> None:
    if not set(retry.statuses) <= set(NEXT):
        notes.lost(f"{path}.statuses", f"nginx asks again only after {', '.join(map(str, NEXT))}")
    notes.approximated(
        f"{path}.attempts",
        "an Idempotency-Key does not make a method repeatable, and only another instance is asked",
    )
    if retry.body_bytes != Retry().body_bytes:
        notes.lost(f"{path}.body_bytes", "every body is kept for a second attempt")


def _cache(rules: Cache, path: str, notes: Notes) -> None:
    notes.approximated(path, "by nginx's own reading of RFC 9111, on disk, without credentials")
    notes.lost(f"{path}.body_bytes", "an answer of any length is kept")
    if rules.stale_if_error_seconds:
        notes.approximated(
            f"{path}.stale_if_error_seconds", "an old answer is given however old it is"
        )


def _rules(route: Route, path: str, notes: Notes) -> None:
    if route.request is not None:
        report_renames(route.request.headers, f"{path}.request.headers", notes)
        if route.request.query != Fields():
            notes.lost(f"{path}.request.query", "nginx changes no single query parameters")
        if route.request.prefix is not None:
            notes.approximated(
                f"{path}.request.prefix", "the path goes on decoded and encoded again"
            )
    if route.response is not None:
        report_renames(route.response.headers, f"{path}.response.headers", notes)


def _fallback(fallback: Fallback, path: str, notes: Notes) -> None:
    if fallback.upstream is not None:
        notes.approximated(
            f"{path}.upstream", "where it may not be asked, the answer is 502 whatever it was"
        )
    if fallback.stale and not set(fallback.statuses) <= set(NEXT):
        notes.lost(f"{path}.statuses", f"old answers are given for {', '.join(map(str, NEXT))}")


def _copy(copy: Copy, place: Place, notes: Notes) -> None:
    path = copy.path
    notes.lost(f"{path}.concurrent", "nginx has no limit for copies", "a limit in the upstream")
    notes.lost(f"{path}.body_bytes", "bodies of any length are read first and copied, too")
    notes.approximated(
        f"{path}.deadline_seconds", "the next request of the connection waits for the copy"
    )
    if place.route.request is not None:
        notes.approximated(f"{path}.upstream", "the copy is sent by its address as it came")

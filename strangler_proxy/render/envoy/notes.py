"""What Envoy does not do as the document says."""

from __future__ import annotations

from strangler_proxy.config import (
    AccessLog,
    Authentication,
    Breaker,
    Bulkhead,
    ClientLimits,
    Connections,
    Document,
    Fields,
    Keys,
    Listen,
    Upstream,
)
from strangler_proxy.render.beyond import (
    report_common,
    report_fallback,
    report_renames,
    report_unix_proxies,
)
from strangler_proxy.render.plan import UNLIMITED, Place, copy_of, places
from strangler_proxy.render.report import Notes


def report(document: Document, notes: Notes) -> None:
    """All notes."""
    report_common(document, "Envoy", notes)
    notes.approximated(
        "$.routes",
        "a path that encodes letters or digits is refused instead of decoded, and one with empty "
        "segments goes on without them",
    )
    for i, listen in enumerate(document.listen):
        _listen(listen, f"$.listen[{i}].limits", notes)
        report_unix_proxies(listen, f"$.listen[{i}]", "Envoy", notes)
    if document.authentication is not None:
        _authentication(document.authentication, "$.authentication", notes)
    for name in document.rate_limits:
        notes.approximated(
            f"$.rate_limits.{name}",
            "the answer tells it in X-RateLimit fields, an IPv6 address is not its /64, and "
            "each route asks its limits one by one, so a refused request may count",
        )
    if any(route.cache is not None for route in document.routes):
        notes.lost("$.cache_bytes", "there is no cache")
    if document.workers != 1:
        notes.lost("$.workers", "Envoy takes it from its command line", "start with --concurrency")
    notes.approximated(
        "$.drain_seconds",
        "it spreads the closing of connections; when Envoy ends is said on its command line",
        "start with --drain-time-s and --parent-shutdown-time-s",
    )
    if document.access_log.flush_milliseconds != AccessLog().flush_milliseconds:
        notes.lost(
            "$.access_log.flush_milliseconds",
            "Envoy takes it from its command line",
            "start with --file-flush-interval-msec",
        )
    if document.admin is not None:
        notes.approximated("$.admin.address", "Envoy's own admin pages are there, not /-/")
    for name, upstream in document.upstreams.items():
        _upstream(upstream, f"$.upstreams.{name}", notes)
    for place in places(document):
        _route(document, place, notes)


def _listen(listen: Listen, path: str, notes: Notes) -> None:
    if listen.limits.target_bytes != ClientLimits().target_bytes:
        notes.lost(f"{path}.target_bytes", "Envoy limits the whole head only; see head_bytes")
    notes.approximated(
        f"{path}.body_seconds",
        "silence counts in both directions, so it is never less than the longest deadline",
    )
    if listen.limits.head_bytes % 1024:
        notes.approximated(f"{path}.head_bytes", "Envoy counts in KiB; it is rounded up")


def _authentication(rules: Authentication, path: str, notes: Notes) -> None:
    if rules.token_type is not None:
        notes.approximated(f"{path}.token_type", "a token of another sort is refused with 403")
    notes.approximated(f"{path}.algorithms", "a token of another algorithm is refused with 403")
    if rules.opaque_headers:
        notes.approximated(
            f"{path}.opaque_headers",
            "who sends one has no identity here: sticky keys and limits take what comes next",
        )
    notes.approximated(
        f"{path}.staff_claim", "it is read if it is text, not a list; upstreams get no Ficus-Staff"
    )
    if rules.leeway_seconds != max(1, round(rules.leeway_seconds)):
        notes.approximated(f"{path}.leeway_seconds", "Envoy takes whole seconds, at least one")
    if rules.keys.url is None and rules.keys.refresh_seconds != Keys(file="").refresh_seconds:
        notes.lost(
            f"{path}.keys.refresh_seconds",
            "Envoy reads the file again when another is moved over it, not by the clock",
        )


def _route(document: Document, place: Place, notes: Notes) -> None:
    route, path = place.route, place.path
    if route.request_bytes < UNLIMITED:
        notes.approximated(
            f"{path}.request_bytes", "an announced length is refused; a chunked body is not counted"
        )
    if route.response_bytes < UNLIMITED:
        notes.lost(f"{path}.response_bytes", "Envoy does not count the bytes of an answer")
    if route.cache is not None:
        notes.lost(
            f"{path}.cache",
            "Envoy's cache filter is not meant for production",
            "cache in the upstream or in front of Envoy",
        )
    if route.request is not None:
        _fields(route.request.query, f"{path}.request.query", notes)
        report_renames(route.request.headers, f"{path}.request.headers", notes)
    if route.response is not None:
        report_renames(route.response.headers, f"{path}.response.headers", notes)
    report_fallback(route, path, notes, has_cache=False)
    if route.fallback is not None and route.fallback.answer is not None:
        notes.approximated(
            f"{path}.fallback.answer", "Envoy says of the filter that does it that it may change"
        )
    copy = copy_of(document, place)
    if copy is not None:
        notes.lost(f"{copy.path}.deadline_seconds", "a copy has the deadline of its route")
        notes.approximated(
            f"{copy.path}.body_bytes", "a chunked body is copied whatever its length"
        )


def _fields(rules: Fields, path: str, notes: Notes) -> None:
    if rules.rename:
        notes.lost(f"{path}.rename", "Envoy cannot rename a query parameter")


def _upstream(upstream: Upstream, path: str, notes: Notes) -> None:
    if upstream.registry is not None:
        notes.lost(
            f"{path}.registry",
            "Envoy does not read the registry; the cluster has no instances",
            "name the instances, or a DNS name that has them all",
        )
    if upstream.connections.idle != Connections().idle:
        notes.lost(
            f"{path}.connections.idle",
            "Envoy keeps every connection that was needed at once until it is idle too long",
        )
    if upstream.bulkhead.queue_seconds != Bulkhead().queue_seconds:
        notes.lost(
            f"{path}.bulkhead.queue_seconds", "waiting for a turn ends with the route's deadline"
        )
    if upstream.bulkhead.queue < upstream.bulkhead.concurrent:
        notes.approximated(
            f"{path}.bulkhead.queue",
            "a request that waits for a connection being opened counts as waiting, so as many "
            "may wait as may be worked on",
        )
    notes.approximated(
        f"{path}.retry_budget",
        "Envoy counts retries and requests under way, not those of the last seconds",
    )
    _ejection(upstream, path, notes)


def _ejection(upstream: Upstream, path: str, notes: Notes) -> None:
    breaker = upstream.breaker
    if breaker is None:
        return
    notes.approximated(
        f"{path}.breaker",
        "an instance above the ratio is ejected at the window's end instead of at once, any 5xx "
        "counts as failure, it comes back without probes, and if there are outliers it rests as "
        "long as they are ejected",
    )
    if breaker.probes != Breaker().probes:
        notes.lost(f"{path}.breaker.probes", "an instance comes back at once")
    if upstream.outliers is not None and breaker.rest_seconds != Breaker().rest_seconds:
        notes.lost(f"{path}.breaker.rest_seconds", "Envoy has one ejection time, the outliers'")

"""What HAProxy does not do as the document says."""

from __future__ import annotations

from strangler_proxy.config import (
    AccessLog,
    Authentication,
    Cache,
    Demand,
    Document,
    Fields,
    Keys,
    Listen,
    Outliers,
    Upstream,
)
from strangler_proxy.render.beyond import (
    report_common,
    report_fallback,
    report_renames,
    report_unix_proxies,
)
from strangler_proxy.render.haproxy.backends import RETRIED, SLOTS
from strangler_proxy.render.haproxy.checks import TRACKED
from strangler_proxy.render.haproxy.tokens import can_verify, key_file
from strangler_proxy.render.plan import (
    UNLIMITED,
    Place,
    copy_of,
    is_ip,
    networks,
    places,
    split_address,
)
from strangler_proxy.render.report import Notes


def report(document: Document, notes: Notes) -> None:
    """All notes."""
    report_common(document, "HAProxy", notes)
    for i, listen in enumerate(document.listen):
        _listen(listen, f"$.listen[{i}]", notes)
        report_unix_proxies(listen, f"$.listen[{i}]", "HAProxy", notes)
    if document.authentication is not None:
        _authentication(document.authentication, "$.authentication", notes)
    for name in document.rate_limits:
        notes.approximated(
            f"$.rate_limits.{name}",
            "HAProxy counts the requests of the last period, refused ones too, and tells nobody "
            "in RateLimit fields; an IPv6 address is not its /64",
        )
    for name, upstream in document.upstreams.items():
        _upstream(upstream, f"$.upstreams.{name}", notes)
    for place in places(document):
        _route(document, place, notes)
    _log(document.access_log, notes)
    if document.admin is not None:
        notes.approximated("$.admin.address", "there are /-/live, /-/metrics and /-/upstreams only")
    if any(route.cache is not None for route in document.routes):
        notes.approximated("$.cache_bytes", "HAProxy counts in MiB, at most 4095")


def _listen(listen: Listen, path: str, notes: Notes) -> None:
    limits = f"{path}.limits"
    notes.approximated(
        f"{limits}.head_bytes", "one buffer for all listeners, at least 16 KiB; refused with 400"
    )
    notes.approximated(f"{limits}.header_count", "the largest of all listeners; refused with 400")
    for option in ("body_seconds", "write_seconds"):
        notes.approximated(f"{limits}.{option}", "one time for both directions, the longer one")
    if listen.tls is not None and listen.tls.key != f"{listen.tls.certificate}.key":
        notes.lost(
            f"{path}.tls.key",
            "HAProxy reads the key from the certificate's file or from one beside it",
            f"put it into {listen.tls.certificate}.key",
        )
    if networks(listen):
        notes.approximated(
            f"{path}.trusted_proxies",
            "behind a trusted proxy the last address of X-Forwarded-For is the client",
        )


def _authentication(rules: Authentication, path: str, notes: Notes) -> None:
    if not can_verify(rules):
        notes.lost(
            path,
            "HAProxy verifies neither EdDSA nor by published keys: it only refuses requests "
            "without a bearer token where one is required, and nobody is staff",
            "let the upstreams verify tokens, as Ficus's hosts do, or render for Envoy",
        )
        return
    notes.approximated(
        f"{path}.keys",
        "HAProxy reads one public key, once",
        f"write it to {key_file(rules)} as PEM and reload when it changes",
    )
    notes.lost(f"{path}.remembered_tokens", "each token is verified each time")
    if rules.opaque_headers:
        notes.approximated(
            f"{path}.opaque_headers",
            "who sends one has no identity here: sticky keys and limits take what comes next",
        )
    if rules.keys.refresh_seconds != Keys(file="").refresh_seconds:
        notes.lost(f"{path}.keys.refresh_seconds", "the key is read at start and reload")
    if rules.leeway_seconds % 1:
        notes.approximated(f"{path}.leeway_seconds", "whole seconds; it is rounded up")


def _upstream(upstream: Upstream, path: str, notes: Notes) -> None:
    notes.approximated(
        f"{path}.bulkhead",
        "it is divided among the instances by weight, counted for each way of asking (retries, "
        "fallback answers), and at least one may wait",
    )
    notes.lost(f"{path}.retry_budget", "HAProxy limits retries by request only")
    if upstream.registry is not None:
        notes.lost(
            f"{path}.registry",
            "HAProxy does not read the registry; the backend has no servers",
            "name the instances, or a DNS name that has them all",
        )
    if upstream.dns is not None:
        notes.approximated(
            f"{path}.dns", f"at most {SLOTS} addresses, by the name servers of /etc/resolv.conf"
        )
    if upstream.breaker is not None:
        notes.lost(f"{path}.breaker", "HAProxy does not know a ratio of failures", "outliers")
    if upstream.outliers is not None:
        notes.approximated(
            f"{path}.outliers",
            "an instance is out until a check succeeds, never longer the second time, any 5xx "
            "but 501 and 505 counts, and how many may be out at once has no limit",
        )
        _report_ejection(upstream, upstream.outliers, f"{path}.outliers", notes)
    _upstream_tls(upstream, path, notes)


def _report_ejection(upstream: Upstream, outliers: Outliers, path: str, notes: Notes) -> None:
    known = Outliers()
    if upstream.health is not None and outliers.eject_seconds != known.eject_seconds:
        notes.lost(f"{path}.eject_seconds", "the health checks bring an instance back")
    if outliers.max_eject_seconds != known.max_eject_seconds:
        notes.lost(f"{path}.max_eject_seconds", "no ejection is longer than another")


def _upstream_tls(upstream: Upstream, path: str, notes: Notes) -> None:
    tls = upstream.tls
    if tls is None:
        return
    hosts = [split_address(instance.address)[0] for instance in upstream.instances]
    if tls.server_name is None and any(is_ip(host) or host.startswith("/") for host in hosts):
        notes.lost(
            f"{path}.tls.server_name",
            "HAProxy compares certificates with names, not with addresses: only the chain is "
            "verified",
            "say the name that the certificate has",
        )
    if tls.key is not None and tls.key != f"{tls.certificate}.key":
        notes.lost(
            f"{path}.tls.key",
            "HAProxy reads the key from the certificate's file or from one beside it",
            f"put it into {tls.certificate}.key",
        )


def _route(document: Document, place: Place, notes: Notes) -> None:
    route, path = place.route, place.path
    _identity(document, place, notes)
    notes.approximated(
        f"{path}.deadline_seconds", "it limits how long the upstream is silent, not the whole"
    )
    if route.request_bytes < UNLIMITED:
        notes.approximated(
            f"{path}.request_bytes", "an announced length is refused; a chunked body is not counted"
        )
    if route.response_bytes < UNLIMITED:
        notes.approximated(
            f"{path}.response_bytes", "an announced length is refused; others are not counted"
        )
    if not set(route.retry.statuses) <= set(RETRIED):
        notes.lost(f"{path}.retry.statuses", f"HAProxy repeats only {', '.join(map(str, RETRIED))}")
    notes.approximated(
        f"{path}.retry.body_bytes", "a body that does not fit into the buffer is not sent again"
    )
    if len(route.rate_limits) > TRACKED:
        notes.lost(f"{path}.rate_limits", f"HAProxy counts {TRACKED} for a request; first ones win")
    _changes(document, place, notes)


def _changes(document: Document, place: Place, notes: Notes) -> None:
    """Cache, rules, fallback, copies."""
    route, path = place.route, place.path
    if route.cache is not None:
        _cache(route.cache, f"{path}.cache", notes)
    if route.request is not None:
        if route.request.query != Fields():
            notes.lost(f"{path}.request.query", "HAProxy changes no single query parameters")
        report_renames(route.request.headers, f"{path}.request.headers", notes)
    if route.response is not None:
        report_renames(route.response.headers, f"{path}.response.headers", notes)
    report_fallback(route, path, notes, has_cache=False)
    copy = copy_of(document, place)
    if copy is not None:
        notes.lost(copy.path, "HAProxy copies no requests", "an SPOE agent that does it, or Envoy")
        if copy.of_monolith:
            phase = f"$.capabilities.{copy.owner}.phase"
            notes.lost(phase, "without copies shadow is the same as monolith")


def _identity(document: Document, place: Place, notes: Notes) -> None:
    route, path, rules = place.route, place.path, document.authentication
    if rules is None or route.authentication is Demand.NONE or can_verify(rules):
        return
    notes.approximated(
        f"{path}.authentication", "only whether there is a bearer token; see $.authentication"
    )
    if route.scopes:
        notes.lost(f"{path}.scopes", "tokens are not verified", "let the upstream check them")
    if "identity" in route.sticky and route.capability is not None:
        notes.lost(
            f"{path}.sticky",
            "nobody's identity is known: the next source is the key, so the cohorts of those "
            "who are signed in differ from other front doors'",
            "a header or a cookie that stays with the client",
        )


def _cache(rules: Cache, path: str, notes: Notes) -> None:
    notes.approximated(path, "only answers 200 to GET, by HAProxy's own reading of RFC 9111")
    if rules.collapse_seconds != Cache().collapse_seconds:
        notes.lost(f"{path}.collapse_seconds", "every request that finds nothing goes on")
    if rules.cookies:
        notes.lost(f"{path}.cookies", "answers that set cookies are never stored")
    if rules.stale_if_error_seconds:
        notes.lost(f"{path}.stale_if_error_seconds", "an old answer is never given")
    if rules.status_header:
        notes.lost(f"{path}.status_header", "HAProxy does not say what its cache did")


def _log(log: AccessLog, notes: Notes) -> None:
    if log.path not in (None, "-"):
        notes.lost(
            "$.access_log.path", "HAProxy writes no files; it logs to stdout", "redirect its output"
        )
    if log.flush_milliseconds != AccessLog().flush_milliseconds:
        notes.lost("$.access_log.flush_milliseconds", "HAProxy writes each line at once")

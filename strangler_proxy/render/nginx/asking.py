"""How nginx asks an upstream: headers, times, retries, the cache, TLS."""

from __future__ import annotations

import re
from collections.abc import Iterator

from strangler_proxy.config import Document, Upstream
from strangler_proxy.render.nginx.text import Lines, literal, milliseconds, quoted, regex
from strangler_proxy.render.nginx.variables import header_variable, renamed
from strangler_proxy.render.plan import DEADLINE, INTERNAL_REQUEST, Place, copy_of

SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
INTERNAL_RESPONSE = ("Ficus-Fenced", "Ficus-Moved", "Ficus-Route")
NEXT = (403, 404, 429, 500, 502, 503, 504)  # statuses after which nginx can ask another instance
UPGRADED = 3600  # seconds that an upgraded connection may be silent


def asked(document: Document, place: Place, name: str, pool: str, trusts: bool) -> Lines:
    """All that a location needs to hand its requests to ``pool``, which has ``name``'s servers."""
    route = place.route
    for limit in route.rate_limits:
        burst = document.rate_limits[limit].requests - 1
        yield f"limit_req zone=limit_{limit}" + (f" burst={burst} nodelay;" if burst else ";")
    yield f"client_max_body_size {max(1, route.request_bytes)};"  # 0 would be no limit
    if copy_of(document, place) is not None:
        yield f"mirror /.copies/{route.name};"
    if route.fallback is not None and not route.fallback.stale:
        statuses = " ".join(map(str, route.fallback.statuses))
        yield "proxy_intercept_errors on;"
        yield f"error_page {statuses} = @{route.name}.fallback;"
    yield from _caching(document, place)
    yield from towards(document, place, name, pool, trusts)


def towards(document: Document, place: Place, name: str, pool: str, trusts: bool) -> Lines:
    """The same without limits, copies, fallback and cache."""
    route, upstream = place.route, document.upstreams[name]
    yield from told(place, trusts)
    yield from encrypted(upstream)
    yield from times(upstream, UPGRADED if route.upgrade else route.deadline_seconds)
    yield f"proxy_next_upstream_timeout {milliseconds(route.deadline_seconds)};"
    yield from _again(place)
    yield f"proxy_request_buffering {'on' if route.retry.attempts > 1 else 'off'};"
    yield from _changes(place)
    scheme = "https" if upstream.tls is not None else "http"
    rules = route.request
    if rules is not None and rules.prefix is not None:
        old, new = re.escape(place.bare), rules.prefix.rstrip("/")
        rewritten = f"{new}$1" if new else "/$1"
        source = f"^{old}(/.*)?$" if new else f"^{old}/?(.*)$"
        yield f"rewrite {regex(source)} {quoted(rewritten)} break;"
    yield f"proxy_pass {scheme}://{pool};"


def told(place: Place, trusts: bool) -> Lines:
    """Headers to the upstream: those of the route's rules, and who asks."""
    chain = "$proxy_add_x_forwarded_for" if trusts else "$remote_addr"
    fields = {
        "Host": "$http_host",
        "X-Forwarded-For": chain,
        "X-Forwarded-Proto": "$scheme",
        "X-Request-Id": "$request_id",
        DEADLINE: str(round(place.route.deadline_seconds * 1000)),
        "Connection": "$connection_header" if place.route.upgrade else '""',
        "Upgrade": "$http_upgrade" if place.route.upgrade else '""',
    }
    own = ("Forwarded", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP", *INTERNAL_REQUEST)
    fields |= dict.fromkeys(own, '""') | dict(_request_rules(place))
    yield "proxy_http_version 1.1;"
    for name, value in fields.items():
        yield f"proxy_set_header {name} {value};"


def _request_rules(place: Place) -> Iterator[tuple[str, str]]:
    rules = place.route.request
    if rules is None:
        return
    headers = rules.headers
    yield from ((name, '""') for name in headers.remove)
    yield from ((old, '""') for old in headers.rename)
    yield from ((new, renamed(place, "request", new)) for new in headers.rename.values())
    yield from ((name, literal(value)) for name, value in headers.set.items())
    yield from ((name, renamed(place, "added", name)) for name in headers.add)


def _changes(place: Place) -> Lines:
    """Header rules of the answer; internal ones do not leave."""
    for name in INTERNAL_RESPONSE:
        yield f"proxy_hide_header {name};"
    rules, cache = place.route.response, place.route.cache
    if cache is not None and cache.status_header:
        yield 'add_header Cache-Status "ficus; detail=$upstream_cache_status" always;'
    if rules is None:
        return
    headers = rules.headers
    for name in (*headers.remove, *headers.rename, *headers.set):
        yield f"proxy_hide_header {name};"
    for new in headers.rename.values():
        yield f"add_header {new} {renamed(place, 'response', new)} always;"
    yield from added(headers.set)
    yield from added(headers.add)


def encrypted(upstream: Upstream) -> Lines:
    """TLS towards an upstream, if it wants it."""
    tls = upstream.tls
    if tls is None:
        return
    yield "proxy_ssl_protocols TLSv1.2 TLSv1.3;"
    yield "proxy_ssl_verify on;"
    yield "proxy_ssl_verify_depth 5;"
    yield f"proxy_ssl_trusted_certificate {quoted(tls.ca or SYSTEM_AUTHORITIES)};"
    yield "proxy_ssl_server_name on;"
    yield f"proxy_ssl_name {server_name(upstream)};"
    if tls.certificate is not None:
        yield f"proxy_ssl_certificate {quoted(tls.certificate)};"
        yield f"proxy_ssl_certificate_key {quoted(tls.key or tls.certificate)};"


def server_name(upstream: Upstream) -> str:
    """Whom the certificate must name; nginx takes one name for all instances."""
    if upstream.tls is not None and upstream.tls.server_name is not None:
        return upstream.tls.server_name
    if upstream.dns is not None:
        return upstream.dns.name
    first = upstream.instances[0].address if upstream.instances else "localhost"
    return first.rpartition(":")[0].strip("[]")


def times(upstream: Upstream, deadline: float) -> Lines:
    """How long an upstream may take to connect, and be silent; in seconds."""
    yield f"proxy_connect_timeout {milliseconds(upstream.connections.connect_seconds)};"
    yield f"proxy_read_timeout {milliseconds(deadline)};"
    yield f"proxy_send_timeout {milliseconds(deadline)};"


def _again(place: Place) -> Lines:
    retry = place.route.retry
    if retry.attempts == 1:
        yield "proxy_next_upstream off;"
        return
    statuses = [f"http_{status}" for status in retry.statuses if status in NEXT]
    yield f"proxy_next_upstream {' '.join(['error', 'timeout', *statuses])};"
    yield f"proxy_next_upstream_tries {retry.attempts};"


def _caching(document: Document, place: Place) -> Lines:
    cache, fallback = place.route.cache, place.route.fallback
    if cache is None:
        return
    rules = document.authentication
    private = ["authorization", *(rules.opaque_headers if rules else ())]
    credentials = " ".join(dict.fromkeys(f"$http_{header_variable(name)}" for name in private))
    yield "proxy_cache ficus;"
    yield 'proxy_cache_key "$scheme $host $request_uri";'
    yield f"proxy_cache_bypass {credentials};"
    yield f"proxy_no_cache {credentials};"
    if cache.cookies:
        yield "proxy_ignore_headers Set-Cookie;"
    if cache.collapse_seconds:
        yield "proxy_cache_lock on;"
        yield f"proxy_cache_lock_timeout {milliseconds(cache.collapse_seconds)};"
    if cache.default_seconds:
        yield f"proxy_cache_valid 200 {round(cache.default_seconds)}s;"
    stale = set()
    if cache.stale_if_error_seconds:
        stale = {"error", "timeout", "http_500", "http_502", "http_503", "http_504"}
    if fallback is not None and fallback.stale:
        stale |= {"error", "timeout"} | {f"http_{s}" for s in fallback.statuses if s in NEXT}
    yield f"proxy_cache_use_stale {' '.join(sorted(stale)) or 'off'};"


def added(headers: dict[str, str]) -> Lines:
    """Headers of an answer."""
    for name, value in headers.items():
        yield f"add_header {name} {literal(value)} always;"

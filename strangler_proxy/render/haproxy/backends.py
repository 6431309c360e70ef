"""HAProxy's backends: upstreams with their instances, limits, checks and TLS.

What is said of retries and of a fallback's answer holds for a whole backend here, so an upstream
has one for each way of being asked. Limits are counted by each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from strangler_proxy.config import Document, Health, Route, Upstream
from strangler_proxy.render.haproxy.text import address, formatted, milliseconds, quoted
from strangler_proxy.render.plan import (
    DEADLINE,
    IDEMPOTENT,
    is_ip,
    places,
    reliefs_of,
    sides_of,
    split_address,
)

SLOTS = 32  # addresses of a DNS name that are used
RETRIED = (401, 403, 404, 408, 425, 500, 501, 502, 503, 504)  # statuses that HAProxy can retry
OWN_ERRORS = (500, 502, 503, 504)  # answers that HAProxy makes itself behind a route
SYSTEM_AUTHORITIES = "@system-ca"


@dataclass(frozen=True, slots=True)
class Way:
    """One way of asking an upstream, and the routes that use it."""

    upstream: str
    routes: tuple[Route, ...]


def backend_name(route: Route, upstream: str) -> str:
    """The backend in which ``route`` asks ``upstream``."""
    retry = route.retry
    words = [upstream, f"tries-{retry.attempts}"]
    if retry.attempts > 1:
        words += [str(status) for status in sorted(retry.statuses)]
    if route.fallback is not None and route.fallback.answer is not None:
        words.append(route.name)
    return ".".join(words)


def backends(document: Document) -> Iterator[list[str]]:
    """A section for each way."""
    for name, way in _ways(document).items():
        lines = _backend(document.upstreams[way.upstream], way)
        yield [f"backend {name}", *(f"    {line}" for line in lines)]


def resolvers(document: Document) -> Iterator[list[str]]:
    """A section for each upstream that is found by DNS."""
    for name, upstream in document.upstreams.items():
        if upstream.dns is not None:
            every = milliseconds(upstream.dns.refresh_seconds)
            lines = ["parse-resolv-conf", f"hold valid {every}", "accepted_payload_size 8192"]
            yield [f"resolvers {name}", *(f"    {line}" for line in lines)]


def _ways(document: Document) -> dict[str, Way]:
    found: dict[str, Way] = {}
    for place in places(document):
        for upstream in sorted(_asked(document, place.route)):
            name = backend_name(place.route, upstream)
            known = found.get(name, Way(upstream, ()))
            found[name] = Way(upstream, (*known.routes, place.route))
    return found


def _asked(document: Document, route: Route) -> set[str]:
    sides = sides_of(document, route)
    if sides is None:
        return set()
    chosen = {upstream for _, upstream in sides.choices if upstream is not None}
    return {sides.main, *filter(None, [sides.canary]), *reliefs_of(route, sides).values(), *chosen}


def _backend(upstream: Upstream, way: Way) -> Iterator[str]:
    route, connections = way.routes[0], upstream.connections
    yield "balance random(2)"
    yield f"timeout connect {milliseconds(connections.connect_seconds)}"
    yield f"timeout queue {milliseconds(upstream.bulkhead.queue_seconds)}"
    yield f"retries {route.retry.attempts - 1}"
    if route.retry.attempts > 1:
        yield from _retry(route)
    for one in way.routes:
        deadline = milliseconds(one.deadline_seconds)
        test = f"{{ var(txn.route) -m str {one.name} }}"
        yield f"http-request set-timeout server {deadline} if {test}"
        yield f"http-request set-header {DEADLINE} {deadline.removesuffix('ms')} if {test}"
    if route.fallback is not None and route.fallback.answer is not None:
        yield from _fallback(route)
    yield "http-response del-header ficus- -m beg"
    yield "http-response del-header x-ficus- -m beg"
    if upstream.health is not None:
        yield from _health(upstream.health, _asked_as(upstream))
    yield from _servers(upstream, way.upstream)


def _retry(route: Route) -> Iterator[str]:
    statuses = [str(status) for status in route.retry.statuses if status in RETRIED]
    yield f"retry-on {' '.join(['conn-failure', 'empty-response', *statuses])}"
    yield "option redispatch 1"
    yield "option http-buffer-request"  # a body that is still coming cannot be sent again
    yield f"acl repeatable method {' '.join(IDEMPOTENT)}"
    yield "acl repeatable req.hdr(idempotency-key) -m found"
    yield "http-request disable-l7-retry if !repeatable"
    yield f"http-request disable-l7-retry if {{ req.body_size gt {route.retry.body_bytes} }}"


def _fallback(route: Route) -> Iterator[str]:
    """Instead of the upstream's statuses, and of those that HAProxy answers itself."""
    fallback = route.fallback
    answer = fallback.answer if fallback else None
    if fallback is None or answer is None:
        return
    headers = {name.lower(): value for name, value in answer.headers.items()}
    kind = quoted(headers.pop("content-type", "text/plain"))
    words = [f"content-type {kind} string {quoted(answer.body)}"]
    words += [f"hdr {name} {formatted(value)}" for name, value in headers.items()]
    said = " ".join(words)
    statuses = " ".join(map(str, fallback.statuses))
    yield f"http-response return status {answer.status} {said} if {{ status {statuses} }}"
    for status in sorted(set(fallback.statuses) & set(OWN_ERRORS)):
        yield f"http-error status {status} {said}"
        if status != answer.status:
            yield f"http-after-response set-status {answer.status} if {{ status {status} }}"


def _health(health: Health, host: str) -> Iterator[str]:
    yield "option httpchk"
    asked = f"uri {formatted(health.path)} ver HTTP/1.1 hdr host {formatted(health.host or host)}"
    yield f"http-check send meth GET {asked}"
    yield f"http-check expect status {','.join(map(str, health.statuses))}"
    yield f"timeout check {milliseconds(health.timeout_seconds)}"


def _asked_as(upstream: Upstream) -> str:
    if upstream.tls is not None and upstream.tls.server_name is not None:
        return upstream.tls.server_name
    if upstream.dns is not None:
        return upstream.dns.name
    first = upstream.instances[0].address if upstream.instances else "localhost"
    return "localhost" if first.startswith("unix:") else first


def _servers(upstream: Upstream, name: str) -> Iterator[str]:
    if upstream.dns is not None:
        dns = upstream.dns
        options = " ".join(_options(upstream, dns.name, 1.0))
        where = f"{dns.name}:{dns.port} resolvers {name} init-addr none"
        yield f"server-template instance- 1-{SLOTS} {where} {options}"
    total = sum(instance.weight for instance in upstream.instances)
    for number, instance in enumerate(upstream.instances, 1):
        host = split_address(instance.address)[0]
        options = " ".join(_options(upstream, host, instance.weight / total))
        where = address(instance.address)
        yield f"server instance-{number} {where} weight {instance.weight} {options}"


def _options(upstream: Upstream, host: str, share: float) -> Iterator[str]:
    connections, bulkhead = upstream.connections, upstream.bulkhead
    yield f"maxconn {math.ceil(bulkhead.concurrent * share)}"
    yield f"maxqueue {max(1, math.ceil(bulkhead.queue * share))}"  # 0 would be no limit
    yield f"pool-purge-delay {milliseconds(connections.idle_seconds)}"
    yield f"pool-max-conn {connections.idle}"
    yield f"max-reuse {connections.requests}"
    yield from _checks(upstream)
    yield from _tls(upstream, host)


def _checks(upstream: Upstream) -> Iterator[str]:
    health, outliers = upstream.health, upstream.outliers
    if health is not None:
        every = milliseconds(health.interval_seconds)
        yield f"check inter {every} fall {health.unhealthy} rise {health.healthy}"
    if outliers is None or not can_eject(upstream):
        return
    if health is None:
        # A connection is enough to come back, after the time of an ejection.
        yield f"check inter {milliseconds(outliers.eject_seconds)} fall 3 rise 1"
    yield f"observe layer7 error-limit {outliers.consecutive_failures} on-error mark-down"


def can_eject(upstream: Upstream) -> bool:
    """Whether the limit of ejected instances lets one go at all."""
    outliers = upstream.outliers
    if outliers is None or upstream.registry is not None:
        return False
    count = len(upstream.instances) if upstream.dns is None else 2
    return outliers.max_ejected_percent * count >= 100


def _tls(upstream: Upstream, host: str) -> Iterable[str]:
    tls = upstream.tls
    if tls is None:
        return
    yield f"ssl verify required alpn http/1.1 ca-file {quoted(tls.ca or SYSTEM_AUTHORITIES)}"
    name = tls.server_name or host
    if not is_ip(name) and not name.startswith("/"):
        yield f"sni str({name}) verifyhost {name} check-sni {name}"
    if tls.certificate is not None:
        yield f"crt {quoted(tls.certificate)}"

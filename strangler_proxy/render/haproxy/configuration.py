"""Renders a routing document as one HAProxy configuration (2.6 or newer).

Start it with: haproxy -W -db -f haproxy.cfg
"""

from __future__ import annotations

from collections.abc import Iterator

from strangler_proxy.config import Document, Listen, RateLimit
from strangler_proxy.render.haproxy.backends import backends, resolvers
from strangler_proxy.render.haproxy.notes import report
from strangler_proxy.render.haproxy.routes import route_rules
from strangler_proxy.render.haproxy.text import address, milliseconds, quoted
from strangler_proxy.render.plan import networks
from strangler_proxy.render.report import Notes

FILE = "haproxy.cfg"
SMALLEST_BUFFER = 16_384  # bytes; HAProxy's own default
RESERVE = 1024  # bytes of a buffer that are kept for headers that are added
MEBIBYTE = 1 << 20
LARGEST_CACHE = 4095  # MiB
REMEMBERED = "128k"  # identities or addresses of one limit
LOG = (
    '{"ts":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]","method":"%HM",'
    '"path":"%[var(txn.path),json(utf8s)]","route":"%[var(txn.route)]","upstream":"%b",'
    '"instance":"%s","status":%ST,"ms":%Ta,"bytes_in":%U,"bytes_out":%B,"address":"%ci",'
    '"retries":"%rc","code":"%ts"}'
)


def render(document: Document, notes: Notes) -> dict[str, str]:
    """``{"haproxy.cfg": text}``."""
    report(document, notes)
    sections = [
        *(_global(document), _defaults(document), *resolvers(document), *_caches(document)),
        *(_limit(name, limit) for name, limit in document.rate_limits.items()),
        *(_frontend(document, index) for index in range(len(document.listen))),
        *backends(document),
        *_admin(document),
    ]
    return {FILE: "\n\n".join("\n".join(section) for section in sections) + "\n"}


def _global(document: Document) -> list[str]:
    limits = [listen.limits for listen in document.listen]
    buffer = max(SMALLEST_BUFFER, *(one.head_bytes + RESERVE for one in limits))
    lines = [
        f"description {quoted(f'ficus, revision {document.revision}')}",
        f"nbthread {document.workers}",
        f"maxconn {sum(one.connections for one in limits)}",
        f"hard-stop-after {milliseconds(document.drain_seconds)}",
        f"tune.bufsize {buffer}",
        f"tune.http.maxhdr {max(one.header_count for one in limits)}",
        "ssl-default-bind-options ssl-min-ver TLSv1.2",
        "ssl-default-server-options ssl-min-ver TLSv1.2",
    ]
    if document.access_log.path is not None:
        lines.append("log stdout len 4096 format raw local0 info")
    return ["global", *_indented(lines)]


def _defaults(document: Document) -> list[str]:
    lines = ["mode http", "timeout connect 1s", "timeout server 30s", "timeout tunnel 1h"]
    if document.access_log.path is not None:
        lines += ["option dontlognull", "log global", f"log-format '{LOG}'"]
    return ["defaults", *_indented(lines)]


def _caches(document: Document) -> Iterator[list[str]]:
    """One for each route that has one, for each has its own limit; they share the space."""
    routes = [route for route in document.routes if route.cache is not None]
    for route in routes:
        space = document.cache_bytes // len(routes) // MEBIBYTE
        total = min(max(1, space), LARGEST_CACHE)
        largest = route.cache.body_bytes if route.cache else 0
        lines = [
            f"total-max-size {total}",
            f"max-object-size {min(max(1, largest), total * MEBIBYTE // 2)}",
            "max-age 86400",
            "process-vary on",
        ]
        yield [f"cache {route.name}", *_indented(lines)]


def _limit(name: str, limit: RateLimit) -> list[str]:
    """The counters of one rate limit, by identity or address."""
    period = milliseconds(limit.seconds)
    table = f"stick-table type string len 255 size {REMEMBERED} expire {period}"
    return [f"backend limit.{name}", *_indented([f"{table} store http_req_rate({period})"])]


def _frontend(document: Document, index: int) -> list[str]:
    listen = document.listen[index]
    limits = listen.limits
    lines = [
        _bind(listen),
        f"maxconn {limits.connections}",
        f"timeout http-request {milliseconds(limits.head_seconds)}",
        f"timeout http-keep-alive {milliseconds(limits.idle_seconds)}",
        f"timeout client {milliseconds(max(limits.body_seconds, limits.write_seconds))}",
        *_client(listen),
        f"http-request return status 414 if {{ url -m len gt {limits.target_bytes} }}",
        *route_rules(document),
    ]
    return [f"frontend listen_{index}", *_indented(lines)]


def _bind(listen: Listen) -> str:
    words = ["bind", address(listen.address), f"backlog {listen.backlog}"]
    if listen.tls is not None:
        words += ["ssl", f"crt {quoted(listen.tls.certificate)}", "alpn http/1.1"]
        if listen.tls.client_ca is not None:
            words += [f"ca-file {quoted(listen.tls.client_ca)}", "verify required"]
    return " ".join(words)


def _client(listen: Listen) -> list[str]:
    """Who the client is, and what the upstream is told of it."""
    proto = "https" if listen.tls is not None else "http"
    fresh = [
        "http-request set-header x-forwarded-for %[src]",
        f"http-request set-header x-forwarded-proto {proto}",
    ]
    trusted = networks(listen)
    if not trusted:
        return fresh
    told = '"%[req.fhdr(x-forwarded-for)], %[src]"'
    chain = "trusted { req.hdr(x-forwarded-for) -m found }"
    return [
        f"acl trusted src {' '.join(trusted)}",
        "http-request set-var(txn.client) src",
        f"http-request set-var(txn.client) req.hdr_ip(x-forwarded-for,-1) if {chain}",
        f"http-request set-header x-forwarded-for {told} if {chain}",
        *(f"{line} if !trusted" for line in fresh),
        f"{fresh[0]} if {{ req.hdr_cnt(x-forwarded-for) eq 0 }}",
        f"{fresh[1]} if {{ req.hdr_cnt(x-forwarded-proto) eq 0 }}",
        "http-request set-src var(txn.client)",
    ]


def _admin(document: Document) -> list[list[str]]:
    if document.admin is None:
        return []
    lines = [
        f"bind {address(document.admin.address)}",
        "timeout client 10s",
        "monitor-uri /-/live",
        "http-request use-service prometheus-exporter if { path /-/metrics }",
        "stats enable",
        "stats uri /-/upstreams",
    ]
    return [["frontend admin", *_indented(lines)]]


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]

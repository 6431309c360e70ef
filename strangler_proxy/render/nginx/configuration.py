"""Renders a routing document as one nginx configuration (1.22 or newer, Debian's modules).

Start it with: nginx -p FOLDER -c nginx.conf, in a folder that it may write to.
"""

from __future__ import annotations

from strangler_proxy.config import ClientLimits, Document, Listen, RateLimit
from strangler_proxy.render.nginx.locations import guards, locations
from strangler_proxy.render.nginx.notes import report
from strangler_proxy.render.nginx.text import Lines, address, block, milliseconds, quoted
from strangler_proxy.render.nginx.upstreams import upstreams
from strangler_proxy.render.nginx.variables import LIMIT_KEY, variables
from strangler_proxy.render.plan import Host, hosts
from strangler_proxy.render.report import Notes

FILE = "nginx.conf"
LOG = (
    '{"ts":"$time_iso8601","method":"$request_method","path":"$uri","route":"$route",'
    '"upstream":"$proxy_host","instance":"$upstream_addr","status":"$status",'
    '"seconds":"$request_time","bytes_in":"$request_length","bytes_out":"$bytes_sent",'
    '"request_id":"$request_id","address":"$remote_addr","cache":"$upstream_cache_status"}'
)
SCRATCH = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def render(document: Document, notes: Notes) -> dict[str, str]:
    """``{"nginx.conf": text}``."""
    report(document, notes)
    connections = sum(listen.limits.connections for listen in document.listen)
    each = -(-2 * connections // document.workers)  # a client's and its upstream's
    lines = [
        f"# revision {document.revision}",
        f"worker_processes {document.workers};",
        f"worker_rlimit_nofile {each + 512};",
        f"worker_shutdown_timeout {milliseconds(document.drain_seconds)};",
        "pid nginx.pid;",
        "error_log stderr warn;",
        *block("events", [f"worker_connections {each};"]),
        *block("http", _http(document)),
    ]
    return {FILE: "\n".join(lines) + "\n"}


def _http(document: Document) -> Lines:
    yield from ("server_tokens off;", "default_type text/plain;", "recursive_error_pages on;")
    yield "client_max_body_size 0;"  # a route has its own; nginx's is 1 MiB
    for name in SCRATCH:
        yield f"{name}_temp_path scratch_{name};"
    yield from _log(document)
    yield from _cache(document)
    yield from variables(document)
    for name, limit in document.rate_limits.items():
        yield f"limit_req_zone {LIMIT_KEY} zone=limit_{name}:16m rate={_rate(limit)};"
    yield "limit_req_status 429;"
    yield from upstreams(document)
    for number, listen in enumerate(document.listen):
        for host in hosts(document):
            yield from block("server", _server(document, number, listen, host))
    yield from _admin(document)


def _log(document: Document) -> Lines:
    log = document.access_log
    if log.path is None:
        yield "access_log off;"
        return
    path = "/dev/stdout" if log.path == "-" else log.path
    yield f"log_format ficus escape=json '{LOG}';"
    yield f"access_log {quoted(path)} ficus buffer=32k flush={log.flush_milliseconds}ms;"


def _cache(document: Document) -> Lines:
    if any(route.cache is not None for route in document.routes):
        size = max(1, document.cache_bytes // 1024)
        zone = "levels=1:2 keys_zone=ficus:16m inactive=1d use_temp_path=off"
        yield f"proxy_cache_path cache {zone} max_size={size}k;"


def _rate(limit: RateLimit) -> str:
    """nginx takes whole numbers for a second or a minute."""
    a_second = limit.requests / limit.seconds
    if a_second >= 1 and a_second == round(a_second):
        return f"{round(a_second)}r/s"
    return f"{max(1, round(a_second * 60))}r/m"


def _server(document: Document, number: int, listen: Listen, host: Host) -> Lines:
    last = host.name is None
    words = ["listen", address(listen.address)]
    if last:
        words += ["default_server", f"backlog={listen.backlog}"]
    if listen.tls is not None:
        words.append("ssl")
    yield " ".join(words) + ";"
    yield f"server_name {quoted(host.name or '')};"
    if listen.tls is not None:
        yield f"ssl_certificate {quoted(listen.tls.certificate)};"
        yield f"ssl_certificate_key {quoted(listen.tls.key)};"
        yield "ssl_protocols TLSv1.2 TLSv1.3;"
        if listen.tls.client_ca is not None:
            yield f"ssl_client_certificate {quoted(listen.tls.client_ca)};"
            yield "ssl_verify_client on;"
    yield from _limits(listen.limits)
    for network in listen.trusted_proxies:
        yield f"set_real_ip_from {network};"
    if listen.trusted_proxies:
        yield "real_ip_header X-Forwarded-For;"
        yield "real_ip_recursive on;"
    yield from guards()
    yield from locations(document, host, trusts=bool(listen.trusted_proxies))


def _limits(limits: ClientLimits) -> Lines:
    line = limits.target_bytes
    yield f"client_header_buffer_size {min(line, 1024)};"
    yield f"large_client_header_buffers {max(1, -(-limits.head_bytes // line))} {line};"
    yield f"client_header_timeout {milliseconds(limits.head_seconds)};"
    yield f"client_body_timeout {milliseconds(limits.body_seconds)};"
    yield f"keepalive_timeout {milliseconds(limits.idle_seconds)};"
    yield "keepalive_requests 1000000;"
    yield f"send_timeout {milliseconds(limits.write_seconds)};"


def _admin(document: Document) -> Lines:
    if document.admin is None:
        return
    lines = [
        f"listen {address(document.admin.address)};",
        "access_log off;",
        *block("location = /-/live", ['return 200 "";']),
        *block("location = /-/upstreams", ["stub_status;"]),
        *block("location /", ["return 404;"]),
    ]
    yield from block("server", lines)

"""What the Gateway API's standard channel does not say, and an implementation must."""

from __future__ import annotations

from strangler_proxy.config import Demand, Document, Fields, Headers, Listen, Route, Upstream
from strangler_proxy.render.beyond import report_common
from strangler_proxy.render.gateway_api.backends import by_address, by_name, named
from strangler_proxy.render.plan import (
    INTERNAL_REQUEST,
    Place,
    copy_of,
    is_ip,
    places,
    sides_of,
    split_address,
)
from strangler_proxy.render.report import Notes

TARGET = "the Gateway API"
POLICY = "a policy of the implementation that is used"
NAMES = 16  # of one header list
KNOWN_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")


def report(document: Document, notes: Notes) -> None:
    """All notes."""
    report_common(document, TARGET, notes)
    notes.approximated(
        "$.routes",
        f"internal headers are taken away by name ({', '.join(INTERNAL_REQUEST)}), and /rpc is "
        "answered 500 in this spelling only",
    )
    for i, listen in enumerate(document.listen):
        _listen(document, listen, i, notes)
    _document(document, notes)
    for name in document.rate_limits:
        notes.lost(f"$.rate_limits.{name}", f"{TARGET} has no rate limits", POLICY)
    for name, upstream in document.upstreams.items():
        _upstream(upstream, f"$.upstreams.{name}", notes)
    for place in places(document):
        _route(document, place, notes)


def _listen(document: Document, listen: Listen, number: int, notes: Notes) -> None:
    path = f"$.listen[{number}]"
    host, port = split_address(listen.address)
    notes.approximated(
        f"{path}.address",
        "only the port is said; its class, which is called ficus, decides the address",
    )
    if not port:
        notes.lost(f"{path}.address", f"{host} is a socket file; port 80 is rendered")
    protocols = [(split_address(one.address)[1], one.tls is None) for one in document.listen]
    if (port, listen.tls is None) in protocols[:number]:
        notes.lost(f"{path}.address", f"port {port} has a listener already")
    notes.lost(f"{path}.limits", f"{TARGET} limits no clients", POLICY)
    notes.lost(f"{path}.backlog", "it is the implementation's")
    if listen.trusted_proxies:
        notes.lost(f"{path}.trusted_proxies", f"{TARGET} does not say whom to believe", POLICY)
    if listen.tls is not None:
        secret = named(listen.tls.certificate)
        for option in ("certificate", "key"):
            notes.approximated(
                f"{path}.tls.{option}", "certificates are Secrets", f"make the TLS Secret {secret}"
            )
        if listen.tls.client_ca is not None:
            name = named(listen.tls.client_ca)
            notes.approximated(
                f"{path}.tls.client_ca", "authorities are ConfigMaps", f"make the ConfigMap {name}"
            )


def _document(document: Document, notes: Notes) -> None:
    if document.authentication is not None:
        notes.lost(
            "$.authentication",
            f"{TARGET} verifies no tokens and nobody is staff",
            f"let the upstreams verify tokens, as Ficus's hosts do, or {POLICY}",
        )
    if document.admin is not None:
        notes.lost("$.admin.address", "its metrics and health are the implementation's")
    notes.lost("$.access_log", f"{TARGET} has no access log", POLICY)
    notes.lost("$.workers", "how many proxies run is the implementation's")
    notes.lost("$.drain_seconds", "how proxies end is the implementation's")
    if any(route.cache is not None for route in document.routes):
        notes.lost("$.cache_bytes", f"{TARGET} has no cache")


def _upstream(upstream: Upstream, path: str, notes: Notes) -> None:
    for option in ("connections", "bulkhead", "retry_budget"):
        notes.lost(f"{path}.{option}", f"{TARGET} does not say how upstreams are asked", POLICY)
    for option in ("breaker", "outliers", "health"):
        if getattr(upstream, option) is not None:
            notes.lost(
                f"{path}.{option}",
                f"{TARGET} takes instances from the readiness of pods only",
                f"readiness probes, or {POLICY}",
            )
    if upstream.registry is not None:
        notes.lost(f"{path}.registry", "Kubernetes knows its own pods only", "a Service for them")
    if upstream.dns is not None:
        notes.lost(f"{path}.dns.refresh_seconds", "Kubernetes tells of changes by itself")
    _instances(upstream, path, notes)
    if upstream.tls is not None:
        _tls(upstream, f"{path}.tls", notes)


def _instances(upstream: Upstream, path: str, notes: Notes) -> None:
    direct, by_host = by_address(upstream), by_name(upstream)
    if len({instance.weight for instance in direct}) > 1:
        notes.lost(f"{path}.instances", "endpoints of a Service have no weights")
    if by_host or upstream.dns is not None:
        option = "instances" if by_host else "dns"
        notes.approximated(
            f"{path}.{option}",
            "a name outside of the cluster is an ExternalName Service, one in another namespace "
            "needs a ReferenceGrant; not every implementation takes them",
        )
    if len(direct) + len(by_host) < len(upstream.instances):
        notes.lost(f"{path}.instances", "a socket file cannot be reached")


def _tls(upstream: Upstream, path: str, notes: Notes) -> None:
    tls = upstream.tls
    if tls is None:
        return
    hosts = {split_address(instance.address)[0] for instance in upstream.instances}
    if tls.server_name is None and (len(hosts) > 1 or any(map(is_ip, hosts))):
        notes.lost(
            f"{path}.server_name",
            "a BackendTLSPolicy needs one name that all certificates have",
            "say it",
        )
    if tls.ca is not None:
        name = named(tls.ca)
        notes.approximated(f"{path}.ca", "authorities are ConfigMaps", f"make the ConfigMap {name}")
    for option in ("certificate", "key"):
        if getattr(tls, option) is not None:
            notes.lost(
                f"{path}.{option}", "the Gateway shows the same certificate to all upstreams"
            )


def _route(document: Document, place: Place, notes: Notes) -> None:
    route, path = place.route, place.path
    _asking(document, place, notes)
    if route.methods:
        notes.approximated(f"{path}.methods", "others are answered 500 instead of 405")
    if any(method not in KNOWN_METHODS for method in route.methods):
        notes.lost(f"{path}.methods", f"{TARGET} knows the usual methods only")
    if any(name.startswith("[") or "_" in name for name in route.hosts):
        notes.lost(f"{path}.hosts", "an address or an underscore is no host name here")
    _not_there(route, path, notes)
    _rules(route, path, notes)
    copy = copy_of(document, place)
    if copy is not None:
        for option in ("concurrent", "deadline_seconds", "body_bytes"):
            notes.lost(f"{copy.path}.{option}", "how copies are made is the implementation's")


def _not_there(route: Route, path: str, notes: Notes) -> None:
    """What the Gateway API has no words for."""
    if route.answer is not None:
        notes.lost(
            f"{path}.answer", f"{TARGET} answers nothing itself: it is 500", "a small service"
        )
    for option in ("request_bytes", "response_bytes"):
        notes.lost(f"{path}.{option}", f"{TARGET} limits no bodies", POLICY)
    notes.lost(f"{path}.retry", "the standard channel has no retries", POLICY)
    if route.rate_limits:
        notes.lost(f"{path}.rate_limits", f"{TARGET} has no rate limits", POLICY)
    for option in ("cache", "fallback"):
        if getattr(route, option) is not None:
            notes.lost(f"{path}.{option}", f"{TARGET} does not have it", "strangler_proxy")
    if route.upgrade:
        notes.approximated(f"{path}.upgrade", "whether it passes is the implementation's")


def _asking(document: Document, place: Place, notes: Notes) -> None:
    """Who asks, and on which side the answer is made."""
    route, path = place.route, place.path
    if route.authentication is not Demand.NONE:
        notes.lost(f"{path}.authentication", "every request passes; see $.authentication")
    if route.scopes:
        notes.lost(f"{path}.scopes", "tokens are not verified", "let the upstream check them")
    sides = sides_of(document, route)
    if sides is not None and route.capability is not None:
        notes.lost(
            f"{path}.sticky",
            "weights choose a side for each request, so a client sees both during a canary",
            "strangler_proxy, Envoy or HAProxy during the canary",
        )


def _rules(route: Route, path: str, notes: Notes) -> None:
    request = route.request
    if request is not None:
        if request.query != Fields():
            notes.lost(f"{path}.request.query", f"{TARGET} changes no query parameters")
        if len(INTERNAL_REQUEST) + len(request.headers.remove) > NAMES:
            notes.lost(
                f"{path}.request.headers.remove", f"{NAMES} names at most, internal ones first"
            )
        _headers(request.headers, f"{path}.request.headers", notes, spare=1)
    if route.response is not None:
        _headers(route.response.headers, f"{path}.response.headers", notes, spare=0)


def _headers(headers: Headers, path: str, notes: Notes, *, spare: int) -> None:
    if headers.rename:
        notes.lost(f"{path}.rename", f"{TARGET} cannot rename a header")
    for option in ("set", "add", "remove"):
        if len(getattr(headers, option)) + spare > NAMES:
            notes.lost(f"{path}.{option}", f"{NAMES} names at most")

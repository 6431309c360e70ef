"""Renders a routing document as Kubernetes Gateway API resources (standard channel, v1).

``gateway.yaml`` has a Gateway, an HTTPRoute for each route and host, and a Service for each
upstream. What the Gateway API does not say at all (limits, tokens, retries, ...) is left to its
implementation and reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from strangler_proxy.config import Document, Headers, Listen, Route
from strangler_proxy.render.gateway_api.backends import Backends, named
from strangler_proxy.render.gateway_api.notes import report
from strangler_proxy.render.plan import (
    DEADLINE,
    INTERNAL_REQUEST,
    WHOLE,
    Copy,
    Host,
    Place,
    Sides,
    Unmet,
    copy_of,
    hosts,
    sides_of,
    split_address,
    steps,
)
from strangler_proxy.render.report import Notes
from strangler_proxy.render.yaml_text import yaml_text

FILE = "gateway.yaml"
GROUP = "gateway.networking.k8s.io"
NAME = "ficus"  # of the Gateway, of its class, and the beginning of other names
MOST = 16  # rules, header names and backends of one list
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")

Json = dict[str, Any]


def render(document: Document, notes: Notes) -> dict[str, str]:
    """``{"gateway.yaml": text}``."""
    report(document, notes)
    backends = Backends(document)
    resources = [_gateway(document)]
    for number, host in enumerate(hosts(document)):
        resources += _routes(document, host, number, backends)
    resources += backends.resources()
    for resource in resources:
        resource["metadata"]["annotations"] = {f"{NAME}/revision": str(document.revision)}
    return {FILE: yaml_text(resources)}


def _resource(kind: str, name: str, spec: Json) -> Json:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def _gateway(document: Document) -> Json:
    spec: Json = {
        "gatewayClassName": NAME,
        "listeners": list(_listeners(document)),
    }
    asking = [
        {"port": split_address(listen.address)[1], "tls": _asks(listen.tls.client_ca)}
        for listen in document.listen
        if listen.tls is not None and listen.tls.client_ca is not None
    ]
    if asking:
        # The default is for ports that are not named; here are none, but it must be there.
        spec["tls"] = {"frontend": {"default": asking[0]["tls"], "perPort": asking}}
    return _resource("Gateway", NAME, spec)


def _listeners(document: Document) -> Iterator[Json]:
    """One for each port and protocol: a Gateway has no more."""
    taken = set()
    for number, listen in enumerate(document.listen):
        found = _listener(listen, number)
        if (found["port"], found["protocol"]) not in taken:
            taken.add((found["port"], found["protocol"]))
            yield found


def _listener(listen: Listen, number: int) -> Json:
    port = split_address(listen.address)[1] or 80
    found: Json = {"name": f"listen-{number}", "port": port, "protocol": "HTTP"}
    if listen.tls is not None:
        reference = {"name": named(listen.tls.certificate)}
        found |= {
            "protocol": "HTTPS",
            "tls": {"mode": "Terminate", "certificateRefs": [reference]},
        }
    return found


def _asks(client_ca: str) -> Json:
    reference = {"group": "", "kind": "ConfigMap", "name": named(client_ca)}
    return {"validation": {"caCertificateRefs": [reference]}}


# ------------------------------------------------------------ routes


def _routes(document: Document, host: Host, number: int, backends: Backends) -> Iterator[Json]:
    """What a host answers. Implementations differ on whether a request whose host has routes
    of its own may find one for any host, so each host has all that it can reach."""
    more: Json = {"hostnames": [host.name]} if host.name is not None else {}
    closed = [{"matches": [{"path": {"type": "PathPrefix", "value": "/rpc"}}]}]
    yield _route(f"{NAME}-rpc-{number}", closed, more)
    for step in steps(_reachable(host)):
        if isinstance(step, Unmet):
            # Without this a shorter prefix would take what the methods leave over.
            name = f"{named(step.place.route.name)}-{number}-else"
            yield _route(name, [{"matches": [{"path": _path(step.place)}]}], more)
        else:
            name = f"{named(step.route.name)}-{number}"
            yield from _split(name, list(_rules(document, step, backends)), more)


def _reachable(host: Host) -> tuple[Place, ...]:
    """Without routes of wider hosts whose paths a prefix of a narrower one takes.

    The Gateway API takes the longest prefix of all routes of a host; the document first the
    narrowest host.
    """
    return tuple(
        place
        for at, place in enumerate(host.places)
        if not any(one.host != place.host and _covers(one, place) for one in host.places[:at])
    )


def _covers(one: Place, other: Place) -> bool:
    if one.route.exact:
        return other.route.exact and one.route.prefix == other.route.prefix
    return f"{other.bare}/".startswith(f"{one.bare}/")


def _split(name: str, rules: list[Json], more: Json) -> Iterator[Json]:
    for at in range(0, len(rules), MOST):
        suffix = f"-{at // MOST}" if at else ""
        yield _route(name + suffix, rules[at : at + MOST], more)


def _route(name: str, rules: list[Json], more: Json) -> Json:
    return _resource("HTTPRoute", name, {"parentRefs": [{"name": NAME}], **more, "rules": rules})


def _path(place: Place) -> Json:
    if place.route.exact:
        return {"type": "Exact", "value": place.route.prefix}
    return {"type": "PathPrefix", "value": place.bare or "/"}


def _rules(document: Document, place: Place, backends: Backends) -> Iterator[Json]:
    """One rule for each method, because a rewritten prefix allows one match only."""
    route, copy = place.route, copy_of(document, place)
    sides = sides_of(document, route)
    copied = [method for method in copy.mirror.methods if method in METHODS] if copy else []
    methods: list[str | None] = [*copied, None]
    if route.methods:
        methods = [method for method in route.methods if method in METHODS]
    for method in methods:
        match = {"path": _path(place)} | ({"method": method} if method else {})
        rule: Json = {"matches": [match]}
        if sides is not None:
            rule |= _asked(route, sides, copy if method in copied else None, backends)
        yield rule


def _asked(route: Route, sides: Sides, copy: Copy | None, backends: Backends) -> Json:
    filters = list(_filters(route))
    if copy is not None and copy.mirror.percent:
        filters.append(_mirror(copy, backends))
    split = {sides.main: WHOLE - sides.percent}
    if sides.canary is not None:
        split[sides.canary] = sides.percent
    return {
        "filters": filters,
        "backendRefs": backends.references(split)[:MOST],
        "timeouts": {"request": _duration(route.deadline_seconds)},
    }


def _mirror(copy: Copy, backends: Backends) -> Json:
    reference = dict(backends.references({copy.mirror.upstream: WHOLE})[0])
    del reference["weight"]
    mirror = {"backendRef": reference, "percent": copy.mirror.percent}
    return {"type": "RequestMirror", "requestMirror": mirror}


def _duration(seconds: float) -> str:
    """At most five digits for each unit."""
    whole, rest = divmod(max(1, round(seconds * 1000)), 1000)
    return (f"{whole}s" if whole else "") + (f"{rest}ms" if rest else "")


def _filters(route: Route) -> Iterator[Json]:
    """Internal headers first: there is room for so many names and no more."""
    request = route.request.headers if route.request is not None else Headers()
    asked: Json = {
        "remove": [*INTERNAL_REQUEST, *request.remove][:MOST],
        "set": _values({DEADLINE: str(round(route.deadline_seconds * 1000))} | request.set),
    }
    if request.add:
        asked["add"] = _values(request.add)
    yield {"type": "RequestHeaderModifier", "requestHeaderModifier": asked}
    if route.response is not None:
        headers = route.response.headers
        changed: Json = {}
        if headers.remove:
            changed["remove"] = list(headers.remove[:MOST])
        changed |= {
            kind: _values(values)
            for kind, values in (("set", headers.set), ("add", headers.add))
            if values
        }
        if changed:
            yield {"type": "ResponseHeaderModifier", "responseHeaderModifier": changed}
    if route.request is not None and route.request.prefix is not None:
        prefix = route.request.prefix
        if route.exact:
            path = {"type": "ReplaceFullPath", "replaceFullPath": prefix}
        else:
            path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}
        yield {"type": "URLRewrite", "urlRewrite": {"path": path}}


def _values(headers: dict[str, str]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in headers.items()][:MOST]

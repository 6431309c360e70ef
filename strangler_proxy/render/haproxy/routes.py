"""HAProxy's frontend: from a request to its route, its side, its backend.

Each step leaves what it found in a variable of the transaction: ``txn.path`` and ``txn.host`` in
one spelling, ``txn.route``, ``txn.subject``, ``txn.key``, ``txn.bucket``.
"""

from __future__ import annotations

from collections.abc import Iterator

from strangler_proxy.config import Demand, Document, Route
from strangler_proxy.render.haproxy.backends import backend_name
from strangler_proxy.render.haproxy.checks import changes, checks, is_route
from strangler_proxy.render.haproxy.text import acl, expression, quoted
from strangler_proxy.render.haproxy.tokens import can_verify, token_rules
from strangler_proxy.render.plan import (
    WHOLE,
    Host,
    Place,
    Sides,
    Unmet,
    groups,
    reliefs_of,
    sides_of,
    steps,
)

# Fields that the front door says itself, and all that are internal.
FROM_OUTSIDE = ("forwarded", "x-forwarded-host", "x-forwarded-port", "x-real-ip")
HIDDEN = r"%(2f|5c|[01][0-9a-f]|7f)|[\\#]|%([^0-9a-f]|.[^0-9a-f]|.?$)"
DOTS = r"/[.]{1,2}(;[^/]*)?(/|$)"
TWICE_ENCODED = "^/[^/]*%[0-9A-Fa-f]{2}"
INTERNAL = "^/rpc([;/]|$)"
# XXH64 is a signed number here: 2^64 is 16 modulo 100, and -99..0 needs 100 more.
HASHED = (
    "http-request set-var(txn.hash) 'var(txn.key),xxh64(0)' if { var(txn.key) -m found }",
    "http-request set-var(txn.bucket) 'var(txn.hash),mod(100)' if { var(txn.key) -m found }",
    "http-request set-var(txn.bucket) 'var(txn.bucket),add(116),mod(100)' "
    "if { var(txn.key) -m found } { var(txn.hash) -m int lt 0 }",
)


def route_rules(document: Document) -> Iterator[str]:
    """All rules of a frontend, in order."""
    yield from _cleaned()
    yield from token_rules(document)
    found = list(groups(document))
    yield from _search(found)
    for place in _each(found):
        yield from checks(document, place)
    for place in _each(found):
        yield from changes(place.route)
    for place in _each(found):
        yield from _bucket(document, place.route)
    yield from HASHED
    for place in _each(found):
        yield from _targets(document, place)


def _each(found: list[Host]) -> Iterator[Place]:
    """Every route once, in the order of search."""
    seen = set()
    for host in found:
        for place in host.places:
            if place.path not in seen:
                seen.add(place.path)
                yield place


def _cleaned() -> Iterator[str]:
    """What may not come from outside is taken away; the path gets its one spelling."""
    yield "http-request set-var(txn.choice) req.fhdr(ficus-route),lower"
    yield "http-request del-header ficus- -m beg"
    yield "http-request del-header x-ficus- -m beg"
    for name in FROM_OUTSIDE:
        yield f"http-request del-header {name}"
    missing = "!{ req.hdr(x-request-id) -m found }"
    yield f"http-request set-header x-request-id %[uuid()] if {missing}"
    yield f"http-request deny deny_status 400 if {{ path -m reg -i {expression(HIDDEN)} }}"
    yield "http-request set-var(txn.path) 'path,url_dec,regsub(//+,/,g)'"
    for regex in (DOTS, TWICE_ENCODED):
        test = f"{{ var(txn.path) -m reg {expression(regex)} }}"
        yield f"http-request deny deny_status 400 if {test}"
    test = f"{{ var(txn.path) -m reg -i {expression(INTERNAL)} }}"
    yield f"http-request deny deny_status 404 if {test}"
    yield "http-request set-var(txn.host) 'req.hdr(host),host_only,lower,regsub([.]$,)'"


# ------------------------------------------------------------ search


def _search(found: list[Host]) -> Iterator[str]:
    """``txn.route`` is the name of the first route that fits; of those with methods left, 405."""
    yield from acl("found", "var(txn.route) -m found")
    for place in _each(found):
        yield from acl(is_route(place.route), f"var(txn.route) -m str {place.route.name}")
    number = 0
    for at, host in enumerate(found, 1):
        wanted = "!found"
        if host.name is not None:
            yield from acl(f"host.{at}", _host_test(host.name))
            wanted += f" host.{at}"
        for step in steps(host.places):
            if isinstance(step, Unmet):
                allow = quoted(", ".join(step.methods))
                yield f"http-request return status 405 hdr allow {allow} if {wanted} path.{number}"
                continue
            number += 1
            yield from acl(f"path.{number}", *_path_tests(step))
            methods = f" {{ method {' '.join(step.route.methods)} }}" if step.route.methods else ""
            name = step.route.name
            yield f"http-request set-var(txn.route) str({name}) if {wanted} path.{number}{methods}"
    yield "http-request deny deny_status 404 if !found"


def _host_test(name: str) -> str:
    if name.startswith("*."):
        return f"var(txn.host) -m end {name[1:]}"
    return f"var(txn.host) -m str {name}"


def _path_tests(place: Place) -> list[str]:
    """Whole segments: /a and all below /a/."""
    if place.route.exact:
        return [f"var(txn.path) -m str {quoted(place.route.prefix)}"]
    if not place.bare:
        return ["always_true"]
    below = quoted(place.bare + "/")
    return [f"var(txn.path) -m str {quoted(place.bare)}", f"var(txn.path) -m beg {below}"]


# ------------------------------------------------------------ sides


def _targets(document: Document, place: Place) -> Iterator[str]:
    route = place.route
    sides = sides_of(document, route)
    if sides is None:
        return
    chosen = is_route(route)
    reliefs = reliefs_of(route, sides)
    if _asks_staff(document, route):
        for side, upstream in sides.choices:
            if upstream is not None:
                wished = f"{chosen} staff {{ var(txn.choice) -m str {side} }}"
                yield _use(route, upstream, wished, None)
    if sides.canary is not None:
        inside = f"{{ var(txn.bucket) -m int ge {WHOLE - sides.percent} }}"
        yield _use(route, sides.canary, f"{chosen} {inside}", reliefs.get(sides.canary))
    relief = reliefs.get(sides.main)
    yield _use(route, sides.main, chosen, relief)
    if relief is not None:
        yield _use(route, relief, chosen, None)


def _use(route: Route, upstream: str, conditions: str, relief: str | None) -> str:
    """To ``upstream``; when another one may stand in, only while it has an instance."""
    name = backend_name(route, upstream)
    alive = f" {{ nbsrv({name}) gt 0 }}" if relief is not None else ""
    return f"use_backend {name} if {conditions}{alive}"


def _asks_staff(document: Document, route: Route) -> bool:
    rules = document.authentication
    return rules is not None and route.authentication is not Demand.NONE and can_verify(rules)


def _refused_wishes(route: Route, sides: Sides) -> Iterator[str]:
    """Staff ask for a side by a header; one that may not answer is 409, an unknown one 400."""
    chosen = f"{is_route(route)} staff"
    known = " ".join(side for side, _ in sides.choices)
    other = f"{{ var(txn.choice) -m found }} !{{ var(txn.choice) -m str {known} }}"
    yield f"http-request deny deny_status 400 if {chosen} {other}"
    for side, upstream in sides.choices:
        if upstream is None:
            wished = f"{chosen} {{ var(txn.choice) -m str {side} }}"
            yield f"http-request return status 409 if {wished}"


def _bucket(document: Document, route: Route) -> Iterator[str]:
    """``txn.key``: the first of its sources that the request has."""
    sides = sides_of(document, route)
    if sides is None:
        return
    chosen = is_route(route)
    if sides.choices and _asks_staff(document, route):
        yield from _refused_wishes(route, sides)
    for source in route.sticky if sides.canary is not None else ():
        kind, _, name = source.partition(":")
        fetch, there = {
            "identity": ("var(txn.subject)", "var(txn.subject) -m found"),
            "header": (f"req.fhdr({name})", f"req.fhdr({name}) -m len gt 0"),
            "cookie": (f"req.cook({name})", f"req.cook({name}) -m len gt 0"),
            "address": ("src", "always_true"),
        }[kind]
        missing = "!{ var(txn.key) -m found }"
        yield f"http-request set-var-fmt(txn.key) %[{fetch}] if {chosen} {missing} {{ {there} }}"

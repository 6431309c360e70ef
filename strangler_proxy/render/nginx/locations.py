"""nginx's locations: a route's path, its checks, its sides and how they are asked.

A public location finds the route and the side; where there are several, it hands the request to
a named one by an error page of its own, which keeps method and body.
"""

from __future__ import annotations

import re
from itertools import groupby

from strangler_proxy.config import Answer, Demand, Document
from strangler_proxy.render.nginx.asking import added, asked, encrypted, times, told, towards
from strangler_proxy.render.nginx.text import Lines, block, literal, quoted, regex
from strangler_proxy.render.nginx.upstreams import pool_of
from strangler_proxy.render.nginx.variables import (
    NO_CREDENTIALS,
    NO_TOKEN,
    REPEATABLE,
    copied,
    side_of,
)
from strangler_proxy.render.plan import (
    INTERNAL_PATH,
    MIRRORED,
    Host,
    Place,
    copy_of,
    sides_of,
)

FIRST_CODE = 480  # statuses that nobody uses, to hand a request from one location to another
REDIRECTS = (301, 302, 303, 307, 308)
AMBIGUOUS = (
    r"^[^?]*(%2f|%5c|\\|#|%[01][0-9a-f]|%7f)",
    r"^[^?]*/(\.|%2e){1,2}(;[^/?]*)?([/?]|$)",
    r"^/[^/?]*%25[0-9a-f]{2}",
)


def guards() -> Lines:
    """Paths that an upstream could read in another way, and those between hosts."""
    for expression in AMBIGUOUS:
        yield from _when("$request_uri", "~*", expression, 400)
    yield from _when("$uri", "~", f"^{INTERNAL_PATH}$", 404)


def _when(variable: str, operator: str, expression: str, status: int) -> Lines:
    yield from block(f"if ({variable} {operator} {regex(expression)})", [f"return {status};"])


def locations(document: Document, host: Host, *, trusts: bool) -> Lines:
    """All locations of a host, first match first. ``trusts``: proxies in front are believed."""
    done: set[str] = set()
    for _, group in groupby(host.places, key=lambda p: (p.host, p.route.prefix, p.route.exact)):
        same = tuple(group)
        if len(same) == 1 and not same[0].route.methods:
            yield from block(_location(same[0]), _route(document, same[0], trusts))
        else:
            yield from block(_location(same[0]), _by_method(same))
            for place in same:
                if place.route.name not in done:
                    named = f"location @{place.route.name}"
                    yield from block(named, _route(document, place, trusts))
        for place in same:
            if place.route.name not in done:
                done.add(place.route.name)
                yield from _more(document, place, trusts)
    yield from block("location /", ["return 404;"])


def _location(place: Place) -> str:
    """A regular expression keeps the document's order; whole segments."""
    if place.route.exact:
        return f"location ~ {regex(f'^{re.escape(place.route.prefix)}$')}"
    return f"location ~ {regex(f'^{re.escape(place.bare)}(/|$)')}"


def _by_method(same: tuple[Place, ...]) -> Lines:
    """Each method to its route; what is left is 405 unless a route takes any."""
    known = sorted({method for place in same for method in place.route.methods})
    for code, place in enumerate(same, FIRST_CODE):
        yield f"error_page {code} = @{place.route.name};"
    for code, place in enumerate(same, FIRST_CODE):
        if place.route.methods:
            methods = regex(f"^({'|'.join(place.route.methods)})$")
            yield from block(f"if ($request_method ~ {methods})", [f"return {code};"])
        else:
            yield f"return {code};"
    if all(place.route.methods for place in same):
        yield f"add_header Allow {quoted(', '.join(known))} always;"
        yield 'return 405 "";'


def _route(document: Document, place: Place, trusts: bool) -> Lines:
    route = place.route
    yield f"set $route {quoted(route.name)};"
    if route.request is not None and route.request.prefix == "/" and not route.exact:
        inner = f"(?i)^{re.escape(place.bare)}/rpc([;/]|$)"
        yield from _when("$uri", "~", inner, 404)
    yield from _credentials(document, place)
    if route.answer is not None:
        yield from _answer(route.answer)
        return
    sides = sides_of(document, route)
    assert sides is not None  # noqa: S101 - only fixed answers have none
    if sides.canary is not None:
        code = FIRST_CODE - 1
        yield f"error_page {code} = @{route.name}.service;"
        yield from block(f"if ({side_of(place)} = service)", [f"return {code};"])
    pool = pool_of(document, sides, sides.main)
    yield from asked(document, place, sides.main, pool, trusts)


def _more(document: Document, place: Place, trusts: bool) -> Lines:
    """The named locations of a route: the service, the fallback, the copy."""
    route = place.route
    sides = sides_of(document, route)
    if sides is not None and sides.canary is not None:
        pool = pool_of(document, sides, sides.canary)
        lines = [f"set $route {quoted(route.name)};"]
        lines += asked(document, place, sides.canary, pool, trusts)
        yield from block(f"location @{route.name}.service", lines)
    fallback = route.fallback
    if fallback is not None and fallback.answer is not None:
        yield from block(f"location @{route.name}.fallback", _answer(fallback.answer))
    if fallback is not None and fallback.upstream is not None:
        again = [*block(f"if ({REPEATABLE} = 0)", ["return 502;"])]
        again += towards(document, place, fallback.upstream, fallback.upstream, trusts)
        yield from block(f"location @{route.name}.fallback", again)
    copy = copy_of(document, place)
    if copy is not None:
        upstream = document.upstreams[copy.mirror.upstream]
        scheme = "https" if upstream.tls is not None else "http"
        lines = ["internal;", *block(f"if ({copied(place)} = 0)", ["return 204;"])]
        lines += told(place, trusts)
        lines += [f"proxy_set_header {MIRRORED} 1;", *encrypted(upstream)]
        lines += times(upstream, copy.mirror.deadline_seconds)
        lines += [f"proxy_pass {scheme}://{copy.mirror.upstream}$request_uri;"]
        yield from block(f"location = /.copies/{route.name}", lines)


def _credentials(document: Document, place: Place) -> Lines:
    rules, route = document.authentication, place.route
    if rules is None or route.authentication is not Demand.REQUIRED:
        return
    missing = NO_TOKEN if route.scopes else NO_CREDENTIALS
    yield from block(f"if ({missing} = 1)", ["return 401;"])


def _answer(answer: Answer) -> Lines:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    yield f"default_type {literal(headers.pop('content-type', 'text/plain'))};"
    if answer.status in REDIRECTS and "location" in headers:
        target = headers.pop("location")
        yield from added(headers)
        yield f"return {answer.status} {literal(target)};"
        return
    yield from added(headers)
    yield f"return {answer.status} {literal(answer.body)};"

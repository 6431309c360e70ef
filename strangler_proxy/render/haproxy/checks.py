"""HAProxy's checks of a request that has its route, and what it changes on both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator

from strangler_proxy.config import Answer, Demand, Document, Headers, Route
from strangler_proxy.render.haproxy.text import expression, formatted, quoted
from strangler_proxy.render.haproxy.tokens import can_verify
from strangler_proxy.render.plan import UNLIMITED, Place, words_for

TRACKED = 3  # counters that HAProxy keeps for one request


def is_route(route: Route) -> str:
    """The condition that a request has this route."""
    return f"is.{route.name}"


def checks(document: Document, place: Place) -> Iterator[str]:
    route = place.route
    chosen = is_route(route)
    rules = route.request
    if rules is not None and rules.prefix == "/" and not route.exact:
        inner = expression(f"^{re.escape(place.bare)}/rpc([;/]|$)")
        yield f"http-request deny deny_status 404 if {chosen} {{ var(txn.path) -m reg -i {inner} }}"
    yield from _credentials(document, route)
    if route.request_bytes < UNLIMITED:
        large = f"{{ req.body_size gt {route.request_bytes} }}"
        yield f"http-request deny deny_status 413 if {chosen} {large}"
    for counter, name in enumerate(route.rate_limits[:TRACKED]):
        limit = document.rate_limits[name]
        if limit.per == "identity":
            known = "{ var(txn.subject) -m found }"
            yield f"http-request set-var(txn.who) var(txn.subject) if {chosen} {known}"
            yield f"http-request set-var-fmt(txn.who) %[src] if {chosen} !{known}"
        else:
            yield f"http-request set-var-fmt(txn.who) %[src] if {chosen}"
        yield f"http-request track-sc{counter} var(txn.who) table limit.{name} if {chosen}"
        above = f"{{ sc_http_req_rate({counter}) gt {limit.requests} }}"
        wait = f"hdr retry-after {max(1, round(limit.seconds / limit.requests))}"
        yield f"http-request deny deny_status 429 {wait} if {chosen} {above}"
    if route.answer is not None:
        yield f"{_answer('http-request return', route.answer)} if {chosen}"
    if not route.upgrade:
        yield f"http-request del-header upgrade if {chosen}"


def _credentials(document: Document, route: Route) -> Iterator[str]:
    """401 without any, 401 with wrong ones, 403 without the scopes - as far as can be verified."""
    rules = document.authentication
    if rules is None or route.authentication is Demand.NONE:
        return
    chosen = is_route(route)
    opaque = [] if route.scopes else [name.lower() for name in rules.opaque_headers]
    # The upstream might believe another token than the one that was verified.
    yield f"http-request deny deny_status 400 if {chosen} several_tokens"
    refused = f"http-request deny deny_status 401 hdr www-authenticate Bearer if {chosen}"
    if route.authentication is Demand.REQUIRED:
        others = [f"!{{ req.hdr({name}) -m found }}" for name in opaque if name != "authorization"]
        yield f"{refused} {' '.join(['!bearer', *others, '!preflight'])}"
    if can_verify(rules):
        excused = " !opaque_token" if "authorization" in opaque else ""
        yield f"{refused} bearer !token_valid{excused}"
        for scope in route.scopes:
            words = "|".join(re.escape(word) for word in words_for(scope))
            granted = f"{{ var(txn.scopes) -m reg {expression(f'(^| )({words})( |$)')} }}"
            yield f"http-request deny deny_status 403 if {chosen} !{granted} !preflight"


def _answer(action: str, answer: Answer) -> str:
    """A ``return`` without its condition."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    kind = headers.pop("content-type", "text/plain")
    words = [f"{action} status {answer.status}"]
    if answer.body:
        words.append(f"content-type {quoted(kind)} string {quoted(answer.body)}")
    words += [f"hdr {name} {formatted(value)}" for name, value in headers.items()]
    return " ".join(words)


def changes(route: Route) -> Iterator[str]:
    chosen = is_route(route)
    if route.cache is not None:
        yield f"http-request cache-use {route.name} if {chosen}"
        if route.cache.default_seconds:
            fresh = f'set-header cache-control "max-age={round(route.cache.default_seconds)}"'
            silent = "!{ res.hdr(cache-control) -m found } !{ res.hdr(expires) -m found }"
            yield f"http-response {fresh} if {chosen} {{ status 200 }} {silent}"
        yield f"http-response cache-store {route.name} if {chosen}"
    if route.request is not None:
        yield from _headers("http-request", "req", route.request.headers, chosen)
        if route.request.prefix is not None:
            old, new = route.prefix.rstrip("/"), route.request.prefix.rstrip("/")
            yield f"http-request replace-path {_replaced(old, new)} if {chosen}"
    if route.response is not None:
        yield from _headers("http-response", "res", route.response.headers, chosen)
    if route.response_bytes < UNLIMITED:
        large = f"{{ res.hdr(content-length) -m int gt {route.response_bytes} }}"
        yield f"http-response deny deny_status 502 if {chosen} {large}"


def _replaced(old: str, new: str) -> str:
    """Regular expression and replacement: whole segments, and never an empty path."""
    if new:
        return (
            f"{expression(f'^{re.escape(old)}(/.*)?$')} {formatted(_literal(new) + chr(92) + '1')}"
        )
    return f"{expression(f'^{re.escape(old)}/?(.*)$')} {quoted('/' + chr(92) + '1')}"


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\")


def _headers(rules: str, source: str, headers: Headers, chosen: str) -> Iterator[str]:
    for name in headers.remove:
        yield f"{rules} del-header {name} if {chosen}"
    for old, new in headers.rename.items():
        there = f"{{ {source}.hdr({old}) -m found }} !{{ {source}.hdr({new}) -m found }}"
        yield f"{rules} set-header {new} %[{source}.fhdr({old})] if {chosen} {there}"
        yield f"{rules} del-header {old} if {chosen}"
    for name, value in headers.set.items():
        yield f"{rules} set-header {name} {formatted(value)} if {chosen}"
    for name, value in headers.add.items():
        yield f"{rules} add-header {name} {formatted(value)} if {chosen}"

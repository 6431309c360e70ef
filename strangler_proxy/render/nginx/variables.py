"""nginx's variables: whose key, which side, whose credentials, worth a copy.

A route's own have its place in the document in their name: ``$side_3`` belongs to ``$.routes[3]``.
"""

from __future__ import annotations

import re

from strangler_proxy.config import Document, Headers
from strangler_proxy.render.nginx.text import Lines, block, literal, mapping, regex
from strangler_proxy.render.plan import (
    IDEMPOTENT,
    WHOLE,
    Copy,
    Place,
    copy_of,
    places,
    sides_of,
)

LIMIT_KEY = "$binary_remote_addr"
PREFLIGHT = "$preflight"  # 1: a browser asks whether it may; it has no credentials then
NO_CREDENTIALS = "$no_credentials"  # 1: neither a bearer token nor an opaque credential
NO_TOKEN = "$no_token"  # 1: no bearer token  # noqa: S105 - a name
REPEATABLE = "$repeatable"  # 1: may be asked twice


def number_of(place: Place) -> str:
    """``3`` for ``$.routes[3]``."""
    return place.path.removeprefix("$.routes[").removesuffix("]")


def side_of(place: Place) -> str:
    """The variable that says ``service`` or ``monolith``."""
    return f"$side_{number_of(place)}"


def copied(place: Place) -> str:
    """The variable that is 1 for requests of which a copy is made."""
    return f"$copied_{number_of(place)}"


def renamed(place: Place, kind: str, new: str) -> str:
    """The variable with the value of a renamed or added header."""
    return f"${kind}_{number_of(place)}_{header_variable(new)}"


def header_variable(name: str) -> str:
    """``content_type``: how nginx writes a header's name in a variable's."""
    return re.sub(r"[^a-z0-9]", "_", name.lower())


def variables(document: Document) -> Lines:
    """All of them, at the level of http."""
    yield from block("geo $dollar", ['default "$";'])
    # Set where a location is; the log wants it everywhere.
    yield from mapping('""', "$route", {"default": '""'})
    yield from mapping("$http_upgrade", "$connection_header", {"default": "upgrade", '""': '""'})
    methods = "|".join(IDEMPOTENT)
    keyed = {"default": "0", f'"~^({methods}):"': "1", '"~:."': "1"}
    yield from mapping('"$request_method:$http_idempotency_key"', REPEATABLE, keyed)
    yield from _credentials(document)
    for place in places(document):
        yield from _side(document, place)
        copy = copy_of(document, place)
        if copy is not None:
            yield from _copying(place, copy)
        yield from _headers(place)


def _credentials(document: Document) -> Lines:
    rules = document.authentication
    asked = '"$request_method:$http_access_control_request_method:$http_origin"'
    yield from mapping(asked, PREFLIGHT, {"default": "0", '"~^OPTIONS:[^:]+:."': "1"})
    token = {"default": "1", '"~^1"': "0", '"~*^0:bearer ."': "0"}
    yield from mapping(f'"{PREFLIGHT}:$http_authorization"', NO_TOKEN, token)
    others = [n for n in rules.opaque_headers if n.lower() != "authorization"] if rules else []
    opaque = "".join(f"$http_{header_variable(name)}" for name in others)
    cases = {"default": "0", '"1:"': "1"}
    yield from mapping(f'"{NO_TOKEN}:{opaque}"', NO_CREDENTIALS, cases)


def _side(document: Document, place: Place) -> Lines:
    """The cohort of a canary: nginx's own hash of the first source that there is."""
    sides = sides_of(document, place.route)
    if sides is None or sides.canary is None:
        return
    number = number_of(place)
    key = '""'
    sources = [source for source in place.route.sticky if source != "identity"]
    for at in range(len(sources) - 1, -1, -1):
        name = f"$key_{number}_{at}"
        yield from _source(sources[at], name, key)
        key = name
    cohorts = [f"{sides.percent}% service;", "* monolith;"]
    yield from block(f'split_clients "{key.strip(chr(34))}" $cohort_{number}', cohorts)
    cases = {'""': "monolith", "default": f"$cohort_{number}"}
    yield from mapping(f'"{key.strip(chr(34))}"', side_of(place), cases)


def _source(source: str, variable: str, otherwise: str) -> Lines:
    kind, _, name = source.partition(":")
    if kind == "cookie":
        cookie = regex(f"~(?:^|; *){re.escape(name)}=(?<value>[^;]+)")
        named = cookie.replace("<value>", f"<{variable[1:]}_value>")
        cases = {"default": otherwise, named: f"${variable[1:]}_value"}
        yield from mapping("$http_cookie", variable, cases)
        return
    value = "$remote_addr" if kind == "address" else f"$http_{header_variable(name)}"
    yield from mapping(value, variable, {"default": value, '""': otherwise})


def _copying(place: Place, copy: Copy) -> Lines:
    number, mirror = number_of(place), copy.mirror
    sampled = "1"
    if mirror.percent == 0:
        sampled = "0"
    elif mirror.percent < WHOLE:
        sampled = f"$sampled_{number}"
        cases = [f"{mirror.percent}% 1;", "* 0;"]
        yield from block(f'split_clients "$request_id" {sampled}', cases)
    methods = "|".join(mirror.methods)
    cases_of_methods = {"default": "0", f'"~^({methods})$"': sampled}
    yield from mapping("$request_method", copied(place), cases_of_methods)


def _headers(place: Place) -> Lines:
    """Values that depend on whether another header came."""
    request, response = place.route.request, place.route.response
    if request is not None:
        yield from _request_headers(place, request.headers)
    if response is not None:
        for old, new in response.headers.rename.items():
            there = f"$upstream_http_{header_variable(new)}"
            # Who already speaks the new name is right, and passes by itself.
            cases = {"default": '""', '""': f"$upstream_http_{header_variable(old)}"}
            yield from mapping(there, renamed(place, "response", new), cases)


def _request_headers(place: Place, headers: Headers) -> Lines:
    for old, new in headers.rename.items():
        there = f"$http_{header_variable(new)}"
        cases = {"default": there, '""': f"$http_{header_variable(old)}"}
        yield from mapping(there, renamed(place, "request", new), cases)
    for name, value in headers.add.items():
        there = f"$http_{header_variable(name)}"
        joined = literal("\0, " + value).replace("\0", there)
        cases = {"default": joined, '""': literal(value)}
        yield from mapping(there, renamed(place, "added", name), cases)

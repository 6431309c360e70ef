"""Envoy's virtual hosts and routes: which path is whose, and what is refused before.

A route of the document becomes several of Envoy's, tried from top to bottom: a body that is too
large, the side that staff chose, requests without a sticky key, copies, all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from strangler_proxy.config import Demand, Document
from strangler_proxy.render.envoy.clusters import Json
from strangler_proxy.render.envoy.credentials import AUTHORIZATION, SEVERAL_TOKENS, gates, matches
from strangler_proxy.render.envoy.filters import headers_to_set, of_route
from strangler_proxy.render.envoy.sides import direct_answer, lanes, longer, one_of
from strangler_proxy.render.plan import (
    DEADLINE,
    INTERNAL_PATH,
    UNLIMITED,
    Host,
    Place,
    Unmet,
    hosts,
    steps,
)

# Paths that an upstream could read in another way than Envoy, which forwards them as they came.
_LETTER = "3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|2[DdEe]|5[Ff]|7[Ee]"
AMBIGUOUS = (
    r".*[\\\\#\x00-\x1f\x7f].*",
    ".*%([^0-9A-Fa-f].*|[0-9A-Fa-f]([^0-9A-Fa-f].*)?)?",  # a broken percent encoding
    ".*%(2[Ff]|5[Cc]|[01][0-9A-Fa-f]|7[Ff]).*",  # a hidden slash or control character
    f".*%({_LETTER}).*",  # what needs no encoding: a route would not be recognised
    r".*/(\.|%2[Ee]){1,2}(;[^/]*)?(/.*)?",
    "/[^/]*%25[0-9A-Fa-f]{2}.*",  # a first segment that is encoded twice
)


def route_configuration(document: Document) -> Json:
    """All virtual hosts; a port in the Host header does not matter."""
    return {
        "name": "ficus",
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [_virtual_host(document, host) for host in hosts(document)],
    }


def _virtual_host(document: Document, host: Host) -> Json:
    routes = [_refusal(_full(regex), 400) for regex in AMBIGUOUS]
    routes.append(_refusal(_full(INTERNAL_PATH), 404))
    for step in steps(host.places):
        if isinstance(step, Unmet):
            allow = {"allow": ", ".join(step.methods)}
            routes.append(_refusal(path_match(step.place), 405, allow))
        else:
            routes += _routes(document, step)
    return {"name": host.label, "domains": _domains(host), "routes": routes}


def _domains(host: Host) -> list[str]:
    """A host may end with the dot of the root."""
    return ["*"] if host.name is None else [host.name, f"{host.name}."]


def _full(regex: str) -> Json:
    return {"safe_regex": {"regex": regex}}


def path_match(place: Place) -> Json:
    """Whole segments: /a matches /a and /a/b, not /ab."""
    if place.route.exact:
        return {"path": place.route.prefix}
    return {"path_separated_prefix": place.bare} if place.bare else {"prefix": "/"}


def _refusal(match: Json, status: int, headers: dict[str, str] | None = None) -> Json:
    return {"match": match, **direct_answer(status, headers=headers)}


def _routes(document: Document, place: Place) -> Iterator[Json]:
    route, match = place.route, path_match(place)
    methods = (one_of(":method", route.methods),) if route.methods else ()
    if route.request_bytes < UNLIMITED:
        yield _refusal(_match(match, (*methods, longer(route.request_bytes))), 413)
    if route.request is not None and route.request.prefix == "/" and not route.exact:
        # Without its prefix such a path would be one between hosts.
        inner = _full(f"{re.escape(place.bare)}{INTERNAL_PATH}")
        yield _refusal(_match(inner, methods), 404)
    if document.authentication is not None and route.authentication is not Demand.NONE:
        # The upstream might believe another token than the one that was verified.
        several = matches(AUTHORIZATION, SEVERAL_TOKENS)
        yield _refusal(_match(match, (*methods, several)), 400)
    for gate in gates(document, route):
        wanted = (*methods, *gate.conditions)
        if gate.demand is None:
            yield _refusal(_match(match, wanted), 401, {"www-authenticate": "Bearer"})
            continue
        per_filter = of_route(document, route, gate.demand)
        for lane in lanes(document, place):
            made: Json = {"name": route.name, "match": _match(match, (*wanted, *lane.conditions))}
            if per_filter:
                made["typed_per_filter_config"] = per_filter
            if route.answer is None:
                told = {DEADLINE: str(round(route.deadline_seconds * 1000))}
                made["request_headers_to_add"] = headers_to_set(told)
                if route.retry.attempts > 1:
                    made["request_body_buffer_limit"] = route.retry.body_bytes
            yield made | lane.action


def _match(path: Json, conditions: tuple[Json, ...]) -> Json:
    return path | ({"headers": list(conditions)} if conditions else {})

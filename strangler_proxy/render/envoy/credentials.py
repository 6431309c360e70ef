"""Envoy's part of who asks: tokens verified by the published keys, and what a route demands.

The claims go from step to step in headers: ``Ficus-Subject`` and ``Ficus-Scopes``, which the
upstream may see, and one for staff, which it does not. No client can set them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from strangler_proxy.config import Authentication, Demand, Document, Route
from strangler_proxy.render.envoy.clusters import Json, seconds, typed
from strangler_proxy.render.plan import SCOPES, STAFF, SUBJECT, words_for

JWT = "envoy.filters.http.jwt_authn"
RBAC = "envoy.filters.http.rbac"
PROVIDER = "ficus"
KEYS_CLUSTER = "keys"
DECODED = "token_header"  # where the filter leaves the token's header
AUTHORIZATION = "authorization"
NOT_A_JWT = r"(?i)bearer +([^.]*(\.[^.]*)?|([^.]*\.){3,}[^.]*)"
SEVERAL_TOKENS = r"(?i)(bearer .*,.*|.*, *bearer .*)"
PREFLIGHT: tuple[Json, ...] = (
    {"name": ":method", "string_match": {"exact": "OPTIONS"}},
    {"name": "origin", "present_match": True},
    {"name": "access-control-request-method", "present_match": True},
    {"name": AUTHORIZATION, "present_match": True, "invert_match": True},
)


@dataclass(frozen=True, slots=True)
class Gate:
    """Requests whose credentials are of one sort, and what is demanded; None refuses them."""

    demand: Demand | None
    conditions: tuple[Json, ...] = ()


def credential_filters(rules: Authentication) -> list[Json]:
    """The two filters: is the token good, and does it suffice."""
    return [_jwt(rules), {"name": RBAC, "typed_config": _rbac("RBAC")}]


def credentials_of(rules: Authentication, route: Route, demand: Demand) -> Json:
    """What a route demands of both."""
    by_name = "extensions.filters.http.jwt_authn.v3.PerRouteConfig"
    return {
        JWT: typed(by_name, requirement_name=str(demand)),
        RBAC: _rbac("RBACPerRoute", rbac=_permits(rules, route)),
    }


def _jwt(rules: Authentication) -> Json:
    provider: Json = {
        "issuer": rules.issuer,
        "audiences": [rules.audience],
        "from_headers": [
            {"name": AUTHORIZATION, "value_prefix": prefix} for prefix in ("Bearer ", "bearer ")
        ],
        "forward": True,
        "require_expiration": True,
        "clock_skew_seconds": max(1, round(rules.leeway_seconds)),  # 0 would mean a minute
        "claim_to_headers": [
            {"header_name": SUBJECT, "claim_name": "sub"},
            {"header_name": SCOPES, "claim_name": "scope"},
            {"header_name": STAFF, "claim_name": rules.staff_claim},
        ],
        "header_in_metadata": DECODED,
        "clear_route_cache": True,
        "jwt_cache_config": {"jwt_cache_size": rules.remembered_tokens},
        **_keys(rules),
    }
    required: Json = {"provider_name": PROVIDER}
    optional: Json = {"requires_any": {"requirements": [required, {"allow_missing": {}}]}}
    config = typed(
        "extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers={PROVIDER: provider},
        requirement_map={str(Demand.REQUIRED): required, str(Demand.OPTIONAL): optional},
    )
    return {"name": JWT, "typed_config": config}


def _keys(rules: Authentication) -> Json:
    keys = rules.keys
    if keys.url is None:
        folder = (keys.file or "").rpartition("/")[0] or "."
        return {"local_jwks": {"filename": keys.file, "watched_directory": {"path": folder}}}
    return {
        "remote_jwks": {
            "http_uri": {"uri": keys.url, "cluster": KEYS_CLUSTER, "timeout": "5s"},
            "cache_duration": seconds(keys.refresh_seconds),
            "async_fetch": {"fast_listener": False},
        }
    }


def _rbac(message: str, **fields: Any) -> Json:
    return typed(f"extensions.filters.http.rbac.v3.{message}", **fields)


def has_word(header: str, words: Iterable[str]) -> Json:
    """Matches a header of words with spaces between that has one of ``words``."""
    one_of = "|".join(re.escape(word) for word in words)
    return matches(header, f"(.* )?({one_of})( .*)?")


def _permits(rules: Authentication, route: Route) -> Json:
    """The token's algorithm and sort and all its scopes; or no token, where that will do."""
    must: list[Json] = [{"header": has_word(SCOPES, words_for(scope))} for scope in route.scopes]
    must.append(_token_says("alg", "|".join(rules.algorithms)))
    if rules.token_type is not None:
        must.append(_token_says("typ", f"(?i)(application/)?{re.escape(rules.token_type)}"))
    principals: list[Json] = [{"and_ids": {"ids": must}}]
    nobody: Json = {"not_id": {"header": {"name": SUBJECT, "present_match": True}}}
    if route.authentication is Demand.OPTIONAL:
        principals.append(nobody)
    else:
        for name in () if route.scopes else _opaque(rules):
            opaque = {"header": {"name": name, "present_match": True}}
            principals.append({"and_ids": {"ids": [nobody, opaque]}})
    policy = {"permissions": [{"any": True}], "principals": principals}
    return {"rules": {"action": "ALLOW", "policies": {"token": policy}}}


def _opaque(rules: Authentication) -> list[str]:
    """Headers besides Authorization whose credentials the upstream verifies."""
    return [name for name in rules.opaque_headers if name.lower() != AUTHORIZATION]


def _token_says(name: str, regex: str) -> Json:
    """Matches a member of the token's header."""
    matcher = {
        "filter": JWT,
        "path": [{"key": DECODED}, {"key": name}],
        "value": {"string_match": {"safe_regex": {"regex": regex}}},
    }
    return {"sourced_metadata": {"metadata_matcher": matcher}}


def gates(document: Document, route: Route) -> Iterator[Gate]:
    """What a request's credentials must be, first match first."""
    rules = document.authentication
    if rules is None or route.authentication is Demand.NONE:
        yield Gate(Demand.NONE)
        return
    required = route.authentication is Demand.REQUIRED
    if required:
        yield Gate(Demand.NONE, PREFLIGHT)  # browsers send it without credentials
    if route.scopes or not rules.opaque_headers:
        yield Gate(route.authentication)
        return
    if AUTHORIZATION in map(str.lower, rules.opaque_headers):
        yield Gate(Demand.NONE, (matches(AUTHORIZATION, NOT_A_JWT),))
    if required:
        bearer = matches(AUTHORIZATION, "(?i)bearer .*") | {"invert_match": True}
        nothing = bearer | {"treat_missing_header_as_empty": True}
        yield Gate(None, (nothing, *(_absent(name) for name in _opaque(rules))))
    yield Gate(Demand.OPTIONAL)  # a wrong token is refused, one of the others is there


def _absent(name: str) -> Json:
    return {"name": name, "present_match": True, "invert_match": True}


def matches(header: str, regex: str) -> Json:
    """Matches a header whose whole value is as ``regex`` says."""
    return {"name": header, "string_match": {"safe_regex": {"regex": regex}}}

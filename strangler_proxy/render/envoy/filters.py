"""Envoy's HTTP filters: credentials, rate limits, fallback answers, header and query rules.

Each filter stands once in every listener, switched off or empty; a route switches it on.
"""

from __future__ import annotations

from typing import Any

from strangler_proxy.config import (
    Demand,
    Document,
    Fallback,
    Fields,
    Headers,
    RateLimit,
    Route,
)
from strangler_proxy.render.envoy.clusters import Json, seconds, typed
from strangler_proxy.render.envoy.credentials import credential_filters, credentials_of
from strangler_proxy.render.plan import (
    CHOICE,
    INTERNAL_PREFIXES,
    STAFF,
    SUBJECT,
    asks_for_identity,
)

CUSTOM = "envoy.filters.http.custom_response"
RULES = "envoy.filters.http.header_mutation"
LAST = "ficus.last_rules"
NO_LIMIT = (1 << 32) - 1
REMEMBERED = 131_072  # identities or addresses of one limit
# Fields of a request that the front door says itself.
OWN = ("forwarded", "x-forwarded-host", "x-forwarded-port", "x-real-ip")


def filters(document: Document) -> list[Json]:
    """All filters of a listener, in the order in which a request meets them."""
    found = []
    if document.authentication is not None and asks_for_identity(document):
        found += credential_filters(document.authentication)
    found += [_limit(name, limit) for name, limit in document.rate_limits.items()]
    if any(r.fallback is not None and r.fallback.answer is not None for r in document.routes):
        found.append({"name": CUSTOM, "typed_config": _custom()})
    router = typed("extensions.filters.http.router.v3.Router", suppress_envoy_headers=True)
    return [
        *found,
        {"name": RULES, "typed_config": _mutation("HeaderMutation")},
        {"name": LAST, "typed_config": _mutation("HeaderMutation", mutations=_strip())},
        {"name": "envoy.filters.http.router", "typed_config": router},
    ]


def of_route(document: Document, route: Route, demand: Demand) -> Json:
    """What switches the filters on for ``route``: ``typed_per_filter_config``."""
    found: Json = {}
    if document.authentication is not None and demand is not Demand.NONE:
        found |= credentials_of(document.authentication, route, demand)
    for name in route.rate_limits:
        found[_limit_name(name)] = typed("config.route.v3.FilterConfig", config={})
    if route.fallback is not None and route.fallback.answer is not None:
        found[CUSTOM] = _custom(custom_response_matcher=_matcher(route.fallback))
    mutations = _mutations(route)
    if mutations:
        found[RULES] = _mutation("HeaderMutationPerRoute", mutations=mutations)
    return found


def early_mutations(trusts_proxies: bool) -> list[Json]:
    """Takes away what a client may not say, before anything looks at it."""
    found: list[Json] = [
        {"remove_on_match": {"key_matcher": {"prefix": "x-ficus-", "ignore_case": True}}},
        {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": _not_the_choice()}}}},
    ]
    own = OWN if trusts_proxies else (*OWN, "x-forwarded-for", "x-forwarded-proto")
    return found + [{"remove": name} for name in own]


def _not_the_choice() -> str:
    """Every ``ficus-...`` but the choice; RE2 has no look-ahead, so letter by letter."""
    stem, tail = "ficus-", CHOICE.removeprefix("ficus-")
    parts = [f"{tail[:i]}([^{letter}].*)?" for i, letter in enumerate(tail)]
    return f"{stem}({'|'.join(parts)}|{tail}.+)"


# ------------------------------------------------------------ rate limits


def _limit_name(name: str) -> str:
    return f"ficus.limit.{name}"


def _limit(name: str, limit: RateLimit) -> Json:
    """One limiter, shared by all routes that name it; a bucket for each identity or address."""
    anonymous: Json = {
        "header_value_match": {
            "descriptor_key": "anonymous",
            "descriptor_value": "yes",
            "expect_match": False,
            "headers": [{"name": SUBJECT, "present_match": True}],
        }
    }
    subject = {"request_headers": {"header_name": SUBJECT, "descriptor_key": "subject"}}
    if limit.per == "identity":
        keys = [[{"key": "subject"}], [{"key": "anonymous", "value": "yes"}, _ADDRESS]]
        actions = [[subject], [anonymous, {"remote_address": {}}]]
    else:
        keys, actions = [[_ADDRESS]], [[{"remote_address": {}}]]
    bucket = {
        "max_tokens": limit.requests,
        "tokens_per_fill": limit.requests,
        "fill_interval": seconds(limit.seconds),
    }
    whole = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    config = typed(
        "extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix=name,
        filter_enabled=whole,
        filter_enforced=whole,
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
        max_dynamic_descriptors=REMEMBERED,
        always_consume_default_token_bucket=False,
        token_bucket=_endless(limit),
        descriptors=[{"entries": entries, "token_bucket": bucket} for entries in keys],
        rate_limits=[{"actions": steps} for steps in actions],
    )
    return {"name": _limit_name(name), "disabled": True, "typed_config": config}


_ADDRESS: Json = {"key": "remote_address"}


def _endless(limit: RateLimit) -> Json:
    """For requests without a key, which there are none of."""
    interval = seconds(limit.seconds)  # a bucket's interval must be a multiple of this one
    return {"max_tokens": NO_LIMIT, "tokens_per_fill": NO_LIMIT, "fill_interval": interval}


# ------------------------------------------------------------ answers and rules


def _custom(**fields: Any) -> Json:
    return typed("extensions.filters.http.custom_response.v3.CustomResponse", **fields)


def _matcher(fallback: Fallback) -> Json:
    answer = fallback.answer
    assert answer is not None  # noqa: S101 - asked for by the caller
    policy = typed(
        "extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy",
        status_code=answer.status,
        body={"inline_string": answer.body},
        response_headers_to_add=headers_to_set(answer.headers),
    )
    status = typed("type.matcher.v3.HttpResponseStatusCodeMatchInput")
    regex = "|".join(str(code) for code in fallback.statuses)
    predicate = {
        "single_predicate": {
            "input": {"name": "status", "typed_config": status},
            "value_match": {"safe_regex": {"google_re2": {}, "regex": regex}},
        }
    }
    action = {"action": {"name": "answer", "typed_config": policy}}
    return {"matcher_list": {"matchers": [{"predicate": predicate, "on_match": action}]}}


def headers_to_set(headers: dict[str, str]) -> list[Json]:
    """``HeaderValueOption``s with these very values."""
    return [
        _append(name, _literal(value), "OVERWRITE_IF_EXISTS_OR_ADD")
        for name, value in headers.items()
    ]


def _append(name: str, value: str, action: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": action}


def _literal(value: str) -> str:
    """A percent sign begins a command of Envoy's."""
    return value.replace("%", "%%")


def _mutation(message: str, **fields: Any) -> Json:
    return typed(f"extensions.filters.http.header_mutation.v3.{message}", **fields)


def _mutations(route: Route) -> Json:
    found: Json = {}
    if route.request is not None:
        found["request_mutations"] = _header_rules(route.request.headers, "REQ")
        found["query_parameter_mutations"] = _query_rules(route.request.query)
    if route.response is not None:
        found["response_mutations"] = _header_rules(route.response.headers, "RESP")
    return {name: steps for name, steps in found.items() if steps}


def _header_rules(rules: Headers, source: str) -> list[Json]:
    steps: list[Json] = [{"remove": name} for name in rules.remove]
    for old, new in rules.rename.items():
        steps.append({"append": _append(new, f"%{source}({old})%", "ADD_IF_ABSENT")})
        steps.append({"remove": old})
    steps += [{"append": step} for step in headers_to_set(rules.set)]
    steps += [
        {"append": _append(name, _literal(value), "APPEND_IF_EXISTS_OR_ADD")}
        for name, value in rules.add.items()
    ]
    return steps


def _query_rules(rules: Fields) -> list[Json]:
    steps: list[Json] = [{"remove": name} for name in rules.remove]
    for name, value in rules.add.items():
        record = {"key": name, "value": _text(value)}
        steps.append({"append": {"record": record, "action": "ADD_IF_ABSENT"}})
    return steps


def _text(value: str | float | bool | None) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _strip() -> Json:
    """What was for the steps only ends here, and upstreams' internal fields on the way back."""
    back = [{"remove_on_match": {"key_matcher": {"prefix": one}}} for one in INTERNAL_PREFIXES]
    steps = [{"remove": name} for name in (CHOICE, STAFF, "x-envoy-external-address")]
    return {"request_mutations": steps, "response_mutations": back}

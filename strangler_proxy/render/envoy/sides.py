"""Envoy's part of who answers: the sides of a capability, copies, and how an upstream is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from strangler_proxy.config import Demand, Document, Route
from strangler_proxy.render.envoy.clusters import Json, mirrored, relieved, seconds
from strangler_proxy.render.envoy.credentials import has_word, matches
from strangler_proxy.render.envoy.filters import headers_to_set
from strangler_proxy.render.plan import (
    CHOICE,
    IDEMPOTENT,
    MIRRORED,
    STAFF,
    SUBJECT,
    UNLIMITED,
    WHOLE,
    Copy,
    Place,
    Sides,
    copy_of,
    reliefs_of,
    sides_of,
)

LONGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Lane:
    """One of Envoy's routes: what must be so besides the path, and where it goes."""

    action: Json
    conditions: tuple[Json, ...] = ()


def one_of(name: str, values: tuple[str, ...]) -> Json:
    """Matches a header that is one of ``values``."""
    return matches(name, "|".join(re.escape(value) for value in values))


def lanes(document: Document, place: Place) -> Iterator[Lane]:
    answer = place.route.answer
    if answer is not None:
        yield Lane(direct_answer(answer.status, answer.body, answer.headers))
        return
    sides = sides_of(document, place.route)
    assert sides is not None  # noqa: S101 - only fixed answers have none
    copy = copy_of(document, place)
    yield from _chosen(document, place, sides, copy)
    for conditions, target in _targets(place, sides):
        yield from _copied(Lane({"route": target | _action(place.route)}, conditions), copy)


def _chosen(document: Document, place: Place, sides: Sides, copy: Copy | None) -> Iterator[Lane]:
    """What staff ask for: a side, one that may not answer, or what is none."""
    rules = document.authentication
    if rules is None or place.route.authentication is Demand.NONE or not sides.choices:
        return
    staff = has_word(STAFF, [rules.staff_word])
    for side, upstream in sides.choices:
        wish = {"name": CHOICE, "string_match": {"exact": side, "ignore_case": True}}
        if upstream is None:
            yield Lane(direct_answer(409), (wish, staff))
            continue
        lane = Lane({"route": {"cluster": upstream} | _action(place.route)}, (wish, staff))
        of_monolith = copy is not None and copy.of_monolith
        yield from _copied(lane, None if of_monolith and side == "service" else copy)
    yield Lane(direct_answer(400), ({"name": CHOICE, "present_match": True}, staff))


def direct_answer(status: int, body: str = "", headers: dict[str, str] | None = None) -> Json:
    """An answer of Envoy's own, as the action of a route."""
    response: Json = {"status": status}
    if body:
        response["body"] = {"inline_string": body}
    more = {"response_headers_to_add": headers_to_set(headers)} if headers else {}
    return {"direct_response": response, **more}


def longer(most: int) -> Json:
    """Matches a request whose announced body is longer."""
    return {"name": "content-length", "range_match": {"start": most + 1, "end": LONGEST}}


def _copied(lane: Lane, copy: Copy | None) -> Iterator[Lane]:
    """The lane for what is copied, and for what is not."""
    if copy is not None:
        policy = {
            "cluster": mirrored(copy.owner, copy.mirror.upstream),
            "runtime_fraction": {"default_value": {"numerator": copy.mirror.percent}},
            "disable_shadow_host_suffix_append": True,
            "request_headers_mutations": [{"append": headers_to_set({MIRRORED: "1"})[0]}],
        }
        route = lane.action["route"] | {"request_mirror_policies": [policy]}
        yield Lane({"route": route}, (*lane.conditions, *_worth_a_copy(copy)))
    yield lane


def _worth_a_copy(copy: Copy) -> Iterator[Json]:
    yield one_of(":method", copy.mirror.methods)
    if copy.mirror.body_bytes < UNLIMITED:
        small = longer(copy.mirror.body_bytes) | {"invert_match": True}
        yield small | {"treat_missing_header_as_empty": True}


def _targets(place: Place, sides: Sides) -> Iterator[tuple[tuple[Json, ...], Json]]:
    """Conditions and the target, first match first."""
    reliefs = reliefs_of(place.route, sides)
    main = relieved(sides.main, reliefs.get(sides.main))
    if sides.canary is None:
        yield (), {"cluster": main}
        return
    policies = [_hash_policy(source) for source in place.route.sticky]
    if "address" not in place.route.sticky:
        yield tuple(_without(source) for source in place.route.sticky), {"cluster": main}
    # The monolith first: Envoy takes the cluster in whose span hash mod 100 falls.
    canary = relieved(sides.canary, reliefs.get(sides.canary))
    weights = [
        {"name": main, "weight": WHOLE - sides.percent},
        {"name": canary, "weight": sides.percent},
    ]
    clusters = {"weighted_clusters": {"clusters": weights, "use_hash_policy": True}}
    yield (), clusters | {"hash_policy": policies}


def _hash_policy(source: str) -> Json:
    """``terminal``: the first source that the request has is the key."""
    kind, _, name = source.partition(":")
    match kind:
        case "identity":
            policy: Json = {"header": {"header_name": SUBJECT}}
        case "header":
            policy = {"header": {"header_name": name}}
        case "cookie":
            policy = {"cookie": {"name": name}}
        case _:
            policy = {"connection_properties": {"source_ip": True}}
    return policy | {"terminal": True}


def _without(source: str) -> Json:
    """Matches requests that lack a source of the sticky key."""
    kind, _, name = source.partition(":")
    if kind == "cookie":
        regex = f"(.*; ?)?{re.escape(name)}=[^;].*"
        missing = {"invert_match": True, "treat_missing_header_as_empty": True}
        return matches("cookie", regex) | missing
    header = SUBJECT if kind == "identity" else name
    return {"name": header, "present_match": True, "invert_match": True}


# ------------------------------------------------------------ how it is asked


def _action(route: Route) -> Json:
    rules = route.request
    action: Json = {"timeout": seconds(route.deadline_seconds)}
    if rules is not None and rules.prefix is not None:
        action["regex_rewrite"] = _rewrite(route.prefix.rstrip("/"), rules.prefix.rstrip("/"))
    if route.retry.attempts > 1:
        action["retry_policy"] = _retry(route)
    if route.upgrade:
        action["upgrade_configs"] = [{"upgrade_type": name} for name in route.upgrade]
        action["idle_timeout"] = "0s"  # an upgraded connection may be silent
    return action


def _rewrite(old: str, new: str) -> Json:
    """Whole segments, and never an empty path."""
    if new:
        return {"pattern": {"regex": f"^{re.escape(old)}"}, "substitution": _literal(new)}
    return {"pattern": {"regex": f"^{re.escape(old)}/?"}, "substitution": "/"}


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\")


def _retry(route: Route) -> Json:
    may = [
        one_of(":method", IDEMPOTENT),
        {"name": "idempotency-key", "present_match": True},
    ]
    return {
        "retry_on": "connect-failure,reset,retriable-status-codes",
        "num_retries": route.retry.attempts - 1,
        "retriable_status_codes": list(route.retry.statuses),
        "retriable_request_headers": may,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host."
                    "previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": 30,  # a draw may give the same one again
    }

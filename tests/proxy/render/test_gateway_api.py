"""Resources of the Gateway API: well-formed, unambiguous, and saying what they can."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from strangler_proxy.config import Document
from strangler_proxy.render import Target, render
from tests.proxy.render.documents import changed_everywhere, document, full
from tests.proxy.render.echo import Upstream
from tests.proxy.render.gateway_schema import SPECS, rule_findings
from tests.proxy.render.routing import NAMES, routing_document

Json = dict[str, Any]


def resources(whole: Document) -> list[Json]:
    """What is rendered, read again."""
    text = render(whole, Target.GATEWAY_API).files["gateway.yaml"]
    return list(yaml.safe_load_all(text))


def findings(resource: Json) -> list[str]:
    """What is wrong with a resource."""
    kind = resource["kind"]
    found = list(rule_findings(resource))
    if kind in SPECS:
        validator = jsonschema.Draft202012Validator(SPECS[kind])
        found += [error.message for error in validator.iter_errors(resource["spec"])]
    return found


def routes(whole: Document) -> dict[str, Json]:
    """The HTTPRoutes' specs by name."""
    return {
        one["metadata"]["name"]: one["spec"]
        for one in resources(whole)
        if one["kind"] == "HTTPRoute"
    }


def all_documents() -> dict[str, Document]:
    """Documents with everything in them."""
    servers = {name: Upstream(name) for name in NAMES}
    for number, server in enumerate(servers.values(), 9001):
        server.port = number
    return {
        "full": full(),
        "other": changed_everywhere(full(), gone=False),
        "fewest": changed_everywhere(full(), gone=True),
        "routing": routing_document(8000, servers),
    }


@pytest.mark.parametrize("name", list(all_documents()))
def test_resources_are_well_formed(name: str) -> None:
    """Every field is known, in range, and fits its neighbours; no two have one name."""
    found = resources(all_documents()[name])
    assert {one["metadata"]["name"]: findings(one) for one in found if findings(one)} == {}
    names = [(one["kind"], one["metadata"]["name"]) for one in found]
    assert len(set(names)) == len(names)
    assert {"Gateway", "HTTPRoute"} <= {kind for kind, _ in names}


def test_a_resource_that_is_not_well_formed_is_found() -> None:
    """The check above can fail, on one field and on several that do not fit."""
    route = next(one for one in resources(full()) if one["metadata"]["name"].startswith("cart"))
    assert findings(route) == []
    rule = route["spec"]["rules"][0]
    rule["matches"].append(rule["matches"][0])
    rule["timeouts"]["request"] = "30 seconds"
    rule["retry"] = {"attempts": 2}
    assert len(findings(route)) == 3


def test_backends_that_are_named_exist() -> None:
    """Each reference of a route leads to a Service that is rendered or in the cluster."""
    found = resources(full())
    services = {one["metadata"]["name"] for one in found if one["kind"] == "Service"}
    named = {
        reference["name"]
        for one in found
        if one["kind"] == "HTTPRoute"
        for rule in one["spec"]["rules"]
        for reference in rule.get("backendRefs", ())
    }
    assert named - services == {"search"}  # of the registry, which a note says is lost
    slices = {
        one["metadata"]["labels"]["kubernetes.io/service-name"]
        for one in found
        if "endpoints" in one
    }
    assert slices <= services


def canary(percent: int, **upstream: Any) -> Document:
    """A capability in canary before upstreams with two and one instances."""
    return document(
        upstreams={
            "shop": {
                "instances": [{"address": "shop-a:80", "weight": 2}, {"address": "shop-b:80"}]
            },
            "payment": upstream or {"instances": [{"address": "10.0.0.1:80"}]},
        },
        capabilities={
            "payment": {"monolith": "shop", "service": "payment", "phase": "canary"}
            | {"percent": percent}
        },
        routes=[{"name": "pay", "prefix": "/", "capability": "payment", "authentication": "none"}],
    )


@pytest.mark.parametrize("percent", [1, 10, 33, 99])
def test_weights_are_the_canary_times_the_instances(percent: int) -> None:
    """Sides by percent, and instances of a side by weight."""
    (rule,) = routes(canary(percent))["pay-0"]["rules"]
    weights = {one["name"]: one["weight"] for one in rule["backendRefs"]}
    total = sum(weights.values())
    assert weights["payment"] * 100 == percent * total
    assert weights["shop-1"] == 2 * weights["shop-2"]


@pytest.mark.parametrize(
    ("phase", "backends"),
    [
        ("monolith", {"shop-1", "shop-2"}),
        ("shadow", {"shop-1", "shop-2"}),
        ("extracted", {"payment"}),
        ("retired", {"payment"}),
    ],
)
def test_phases_without_a_split_have_one_side(phase: str, backends: set[str]) -> None:
    """Outside of a canary there is one."""
    whole = canary(0)
    capability = {"monolith": "shop", "service": "payment", "phase": phase}
    values = msgspec.to_builtins(whole) | {"capabilities": {"payment": capability}}
    (rule,) = routes(msgspec.convert(values, Document))["pay-0"]["rules"]
    assert {one["name"] for one in rule["backendRefs"]} == backends


def test_a_name_of_the_cluster_is_a_service_of_its_namespace() -> None:
    """No Service is made for what is one already."""
    whole = canary(50, dns={"name": "payment.shop.svc.cluster.local", "port": 8000})
    (rule,) = routes(whole)["pay-0"]["rules"]
    reference = next(one for one in rule["backendRefs"] if one["name"] == "payment")
    assert (reference["namespace"], reference["port"]) == ("shop", 8000)
    names = {one["metadata"]["name"] for one in resources(whole) if one["kind"] == "Service"}
    assert "payment" not in names


def test_a_narrow_hosts_prefix_comes_before_a_wide_hosts_longer_one() -> None:
    """The Gateway API takes the longest path of a host, the front door its own routes first."""
    found = routes(all_documents()["routing"])
    of_own = {
        rule["matches"][0]["path"]["value"]: name
        for name, spec in found.items()
        if spec.get("hostnames") == ["own.test"]
        for rule in spec["rules"]
    }
    assert set(of_own) == {"/rpc", "/", "/api/v2"}
    of_few = {
        rule["matches"][0]["path"]["value"]
        for spec in found.values()
        if spec.get("hostnames") == ["few.test"]
        for rule in spec["rules"]
    }
    assert {"/few", "/api/v1/cart", "/", "/rpc"} <= of_few


def test_methods_that_are_left_over_reach_nobody() -> None:
    """A shorter prefix must not take them."""
    found = routes(all_documents()["routing"])
    left = next(spec for name, spec in found.items() if name.endswith("-else"))
    (rule,) = left["rules"]
    assert "backendRefs" not in rule
    assert rule["matches"][0]["path"]["value"] == "/files"


def test_copies_are_made_of_the_methods_that_are_named() -> None:
    """A rule for each of them, and one without a copy."""
    spec = next(spec for name, spec in routes(full()).items() if name.startswith("cart-"))
    kinds = {
        rule["matches"][0].get("method"): [one["type"] for one in rule["filters"]]
        for rule in spec["rules"]
    }
    assert set(kinds) == {"GET", "HEAD", None}
    assert "RequestMirror" in kinds["GET"]
    assert "RequestMirror" not in kinds[None]

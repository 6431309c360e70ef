"""Envoy's clusters: upstreams with their instances, limits, checks and TLS.

Field names: Envoy's v3 API, ``envoy.config.cluster.v3.Cluster``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from strangler_proxy.config import Document, Mirror, Upstream
from strangler_proxy.render.plan import copy_of, is_ip, places, reliefs_of, sides_of, split_address

Json = dict[str, Any]
TYPE = "type.googleapis.com/envoy"
SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # Debian's and Envoy's own images'


def typed(name: str, **fields: Any) -> Json:
    """An Any of Envoy's: ``name`` is the message without its common beginning."""
    return {"@type": f"{TYPE}.{name}", **fields}


def seconds(value: float) -> str:
    """A protobuf Duration; milliseconds are the finest that the document can mean."""
    return f"{round(value, 3):g}s" if value < 1000 else f"{round(value, 3):.10g}s"


def relieved(name: str, relief: str | None) -> str:
    """The name of the cluster that asks ``relief`` when ``name`` has no healthy instance."""
    return name if relief is None else f"{name}.or.{relief}"


def mirrored(owner: str, upstream: str) -> str:
    """The name of the cluster that gets the copies of ``owner``: a route or a capability."""
    return f"{upstream}.copies.{owner}"


def clusters(document: Document) -> list[Json]:
    """Every upstream, those of mirrors once more under limits of their own, and the reliefs."""
    found = [_cluster(name, name, upstream) for name, upstream in document.upstreams.items()]
    return found + _copies(document) + _reliefs(document)


def _copies(document: Document) -> list[Json]:
    made: dict[str, Json] = {}
    for place in places(document):
        copy = copy_of(document, place)
        if copy is not None:
            name = mirrored(copy.owner, copy.mirror.upstream)
            made[name] = _cluster_of_copies(name, copy.mirror, document)
    return list(made.values())


def _cluster_of_copies(name: str, mirror: Mirror, document: Document) -> Json:
    """As its upstream, but with no more than ``concurrent`` copies and nobody waiting."""
    cluster = _cluster(name, mirror.upstream, document.upstreams[mirror.upstream])
    limits = dict.fromkeys(("max_connections", "max_pending_requests"), mirror.concurrent)
    cluster["circuit_breakers"] = {"thresholds": [limits | {"max_requests": mirror.concurrent}]}
    return cluster


def _reliefs(document: Document) -> list[Json]:
    made: dict[str, Json] = {}
    for place in places(document):
        sides = sides_of(document, place.route)
        for pair in reliefs_of(place.route, sides).items() if sides else ():
            made[relieved(*pair)] = _aggregate(relieved(*pair), pair)
    return list(made.values())


def _aggregate(name: str, names: Iterable[str]) -> Json:
    config = typed("extensions.clusters.aggregate.v3.ClusterConfig", clusters=list(names))
    return {
        "name": name,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.aggregate", "typed_config": config},
    }


def _cluster(name: str, upstream_name: str, upstream: Upstream) -> Json:
    connections, bulkhead = upstream.connections, upstream.bulkhead
    cluster: Json = {
        "name": name,
        "alt_stat_name": name.replace(".", "_"),
        "connect_timeout": seconds(connections.connect_seconds),
        "lb_policy": "LEAST_REQUEST",
        "least_request_lb_config": {"choice_count": 2},
        # Only when nobody is healthy all are asked; Envoy's default is below one half.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        **_discovery(name, upstream),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _protocol(upstream)
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": bulkhead.concurrent,
                    # Who waits for a connection being opened counts as waiting, too.
                    "max_pending_requests": max(bulkhead.queue, bulkhead.concurrent),
                    "max_requests": bulkhead.concurrent + bulkhead.queue,
                    "max_retries": bulkhead.concurrent,
                    "retry_budget": {
                        "budget_percent": {"value": round(upstream.retry_budget.share * 100, 3)},
                        "min_retry_concurrency": math.ceil(upstream.retry_budget.reserve),
                    },
                }
            ]
        },
    }
    cluster |= _outliers(upstream) | _checks(upstream) | _tls(upstream)
    return cluster


def _discovery(name: str, upstream: Upstream) -> Json:
    if upstream.dns is not None:
        dns = upstream.dns
        endpoints = [_endpoint(dns.name, dns.port, 1)]
        return {
            "type": "STRICT_DNS",
            "dns_lookup_family": "ALL",
            "dns_refresh_rate": seconds(dns.refresh_seconds),
            "load_assignment": _assignment(name, endpoints),
        }
    hosts = [(*split_address(one.address), one.weight) for one in upstream.instances]
    named = any(not host.startswith("/") and not is_ip(host) for host, _, _ in hosts)
    lookup = {"dns_lookup_family": "V4_PREFERRED"} if named else {}
    return {
        "type": "STRICT_DNS" if named else "STATIC",
        **lookup,
        "load_assignment": _assignment(name, [_endpoint(*host) for host in hosts]),
    }


def _assignment(name: str, endpoints: list[Json]) -> Json:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}


def _endpoint(host: str, port: int, weight: int) -> Json:
    endpoint = {"address": address(host, port), "hostname": host}
    return {"endpoint": endpoint, "load_balancing_weight": weight}


def address(host: str, port: int) -> Json:
    """A socket of Envoy's: a path is a unix socket."""
    if host.startswith("/"):
        return {"pipe": {"path": host}}
    return {"socket_address": {"address": host, "port_value": port}}


def _protocol(upstream: Upstream) -> Json:
    connections = upstream.connections
    return typed(
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options={
            "idle_timeout": seconds(connections.idle_seconds),
            "max_requests_per_connection": connections.requests,
        },
        explicit_http_config={"http_protocol_options": {}},
    )


def _outliers(upstream: Upstream) -> Json:
    """Outliers and the breaker are one thing in Envoy: two reasons to eject an instance."""
    outliers, breaker = upstream.outliers, upstream.breaker
    if outliers is None and breaker is None:
        return {}
    found: Json = {
        "enforcing_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
    }
    if breaker is not None:
        found |= {
            "interval": seconds(breaker.window_seconds),
            "base_ejection_time": seconds(breaker.rest_seconds),
            "max_ejection_percent": 100,
            "enforcing_failure_percentage": 100,
            "failure_percentage_threshold": math.ceil(breaker.ratio * 100),
            "failure_percentage_minimum_hosts": 1,
            "failure_percentage_request_volume": breaker.minimum,
        }
    if outliers is not None:
        found |= {
            "enforcing_consecutive_gateway_failure": 100,
            "consecutive_gateway_failure": outliers.consecutive_failures,
            "base_ejection_time": seconds(outliers.eject_seconds),
            "max_ejection_time": seconds(outliers.max_eject_seconds),
            "max_ejection_percent": outliers.max_ejected_percent,
        }
    return {"outlier_detection": found}


def _checks(upstream: Upstream) -> Json:
    health = upstream.health
    if health is None:
        return {}
    statuses = [{"start": status, "end": status + 1} for status in health.statuses]
    check = {
        "timeout": seconds(health.timeout_seconds),
        "interval": seconds(health.interval_seconds),
        "no_traffic_interval": seconds(health.interval_seconds),  # Envoy's own is a minute
        "healthy_threshold": health.healthy,
        "unhealthy_threshold": health.unhealthy,
        "http_health_check": {
            "path": health.path,
            "host": health.host or _asked_as(upstream),
            "expected_statuses": statuses,
        },
    }
    return {"health_checks": [check]}


def _asked_as(upstream: Upstream) -> str:
    name = names_of(upstream)[0]
    return "localhost" if name.startswith("/") else name


def _tls(upstream: Upstream) -> Json:
    tls = upstream.tls
    if tls is None:
        return {}
    common: Json = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["http/1.1"],
        "validation_context": {
            "trusted_ca": {"filename": tls.ca or SYSTEM_AUTHORITIES},
            "match_typed_subject_alt_names": [_san(name) for name in names_of(upstream)],
        },
    }
    if tls.certificate is not None:
        key = tls.key or tls.certificate
        common["tls_certificates"] = [
            {"certificate_chain": {"filename": tls.certificate}, "private_key": {"filename": key}}
        ]
    sni: Json = {"sni": tls.server_name} if tls.server_name else {"auto_host_sni": True}
    context = typed(
        "extensions.transport_sockets.tls.v3.UpstreamTlsContext", common_tls_context=common, **sni
    )
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def names_of(upstream: Upstream) -> list[str]:
    """Whom the upstream's certificate must name; never empty."""
    if upstream.tls is not None and upstream.tls.server_name is not None:
        return [upstream.tls.server_name]
    if upstream.dns is not None:
        return [upstream.dns.name]
    return [split_address(instance.address)[0] for instance in upstream.instances] or ["localhost"]


def _san(name: str) -> Json:
    return {"san_type": "IP_ADDRESS" if is_ip(name) else "DNS", "matcher": {"exact": name}}

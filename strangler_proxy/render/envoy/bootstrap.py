"""Renders a routing document as one Envoy bootstrap file (v3 API, tried with 1.40).

Start it with: envoy -c envoy.yaml --concurrency WORKERS --drain-time-s SECONDS
"""

from __future__ import annotations

from urllib.parse import urlsplit

from strangler_proxy.config import AccessLog, Document, Keys, Listen, Tls
from strangler_proxy.render.envoy.clusters import (
    SYSTEM_AUTHORITIES,
    Json,
    address,
    clusters,
    seconds,
    typed,
)
from strangler_proxy.render.envoy.credentials import KEYS_CLUSTER
from strangler_proxy.render.envoy.filters import early_mutations, filters
from strangler_proxy.render.envoy.notes import report
from strangler_proxy.render.envoy.routes import route_configuration
from strangler_proxy.render.plan import asks_for_identity, networks, split_address
from strangler_proxy.render.report import Notes
from strangler_proxy.render.yaml_text import yaml_text

FILE = "envoy.yaml"
LOG = {
    "ts": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ:ORIG_OR_PATH):512%",
    "route": "%ROUTE_NAME%",
    "upstream": "%UPSTREAM_CLUSTER_RAW%",
    "instance": "%UPSTREAM_HOST%",
    "status": "%RESPONSE_CODE%",
    "ms": "%DURATION%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "code": "%RESPONSE_CODE_DETAILS%",
}


def render(document: Document, notes: Notes) -> dict[str, str]:
    """``{"envoy.yaml": text}``."""
    report(document, notes)
    resources = {
        "listeners": [_listener(document, i) for i in range(len(document.listen))],
        "clusters": clusters(document) + _keys(document),
    }
    revision = {"revision": document.revision}
    bootstrap: Json = {"node": {"id": "ficus", "cluster": "ficus", "metadata": revision}}
    if document.admin is not None:
        bootstrap["admin"] = {"address": address(*split_address(document.admin.address))}
    bootstrap["overload_manager"] = _connections(document)
    bootstrap["static_resources"] = resources
    return {FILE: yaml_text([bootstrap])}


def _connections(document: Document) -> Json:
    """The sum of what all listeners may take; each has its own limit besides."""
    config = typed(
        "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=sum(one.limits.connections for one in document.listen),
    )
    name = "envoy.resource_monitors.global_downstream_max_connections"
    return {"resource_monitors": [{"name": name, "typed_config": config}]}


def _listener(document: Document, index: int) -> Json:
    listen = document.listen[index]
    name = f"listen_{index}"
    limit = typed(
        "extensions.filters.network.connection_limit.v3.ConnectionLimit",
        stat_prefix=name,
        max_connections=listen.limits.connections,
    )
    chain: Json = {
        "filters": [
            {"name": "envoy.filters.network.connection_limit", "typed_config": limit},
            {
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": _manager(document, listen, name),
            },
        ]
    }
    if listen.tls is not None:
        chain["transport_socket"] = _tls(listen.tls)
    return {
        "name": name,
        "address": address(*split_address(listen.address)),
        "tcp_backlog_size": listen.backlog,
        # Reused by a second process during a restart.
        "enable_reuse_port": not listen.address.startswith("unix:"),
        "filter_chains": [chain],
    }


def _manager(document: Document, listen: Listen, name: str) -> Json:
    limits = listen.limits
    early = typed(
        "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=early_mutations(bool(networks(listen))),
    )
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        codec_type="HTTP1",
        server_header_transformation="PASS_THROUGH",
        merge_slashes=True,
        **_client(listen),
        early_header_mutation_extensions=[{"name": "from_outside", "typed_config": early}],
        max_request_headers_kb=-(-limits.head_bytes // 1024),
        request_headers_timeout=seconds(limits.head_seconds),
        stream_idle_timeout=seconds(_silence(document, listen)),
        stream_flush_timeout=seconds(limits.write_seconds),
        common_http_protocol_options={
            "idle_timeout": seconds(limits.idle_seconds),
            "max_headers_count": limits.header_count,
        },
        drain_timeout=seconds(document.drain_seconds),
        route_config=route_configuration(document),
        http_filters=filters(document),
    )
    log = document.access_log
    if log.path is not None:
        manager["access_log"] = [_log(log)]
    return manager


def _silence(document: Document, listen: Listen) -> float:
    """Nothing in either direction: no shorter than an upstream may think."""
    deadlines = (route.deadline_seconds for route in document.routes)
    return max(listen.limits.body_seconds, *deadlines, 0)


def _client(listen: Listen) -> Json:
    """Who the client is: the connection's other end, or whom trusted proxies name."""
    cidrs = [_cidr(network) for network in networks(listen)]
    if not cidrs:
        return {"use_remote_address": True}
    config = typed(
        "extensions.http.original_ip_detection.xff.v3.XffConfig",
        xff_trusted_cidrs={"cidrs": cidrs},
        skip_xff_append=False,
    )
    detection = {"name": "envoy.http.original_ip_detection.xff", "typed_config": config}
    return {"use_remote_address": False, "original_ip_detection_extensions": [detection]}


def _cidr(network: str) -> Json:
    prefix, _, length = network.partition("/")
    whole = 128 if ":" in prefix else 32
    return {"address_prefix": prefix, "prefix_len": int(length) if length else whole}


def _tls(tls: Tls) -> Json:
    pair = {
        "certificate_chain": {"filename": tls.certificate},
        "private_key": {"filename": tls.key},
    }
    common: Json = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["http/1.1"],
        "tls_certificates": [pair],
    }
    if tls.client_ca is not None:
        common["validation_context"] = {"trusted_ca": {"filename": tls.client_ca}}
    context = typed(
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=common,
        require_client_certificate=tls.client_ca is not None,
    )
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _log(log: AccessLog) -> Json:
    path = "/dev/stdout" if log.path == "-" else log.path
    config = typed(
        "extensions.access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format={"json_format": LOG},
    )
    return {"name": "envoy.access_loggers.file", "typed_config": config}


def _keys(document: Document) -> list[Json]:
    """The cluster of the published keys' server."""
    rules = document.authentication
    if rules is None or rules.keys.url is None or not asks_for_identity(document):
        return []
    return [_keys_cluster(rules.keys)]


def _keys_cluster(keys: Keys) -> Json:
    url = urlsplit(keys.url or "")
    host, secure = url.hostname or "", url.scheme == "https"
    socket = address(host, url.port or (443 if secure else 80))
    cluster: Json = {
        "name": KEYS_CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": KEYS_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket}}]}],
        },
    }
    if secure:
        name = {"san_type": "DNS", "matcher": {"exact": host}}
        trust = {
            "trusted_ca": {"filename": SYSTEM_AUTHORITIES},
            "match_typed_subject_alt_names": [name],
        }
        context = typed(
            "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            sni=host,
            common_tls_context={"validation_context": trust},
        )
        socket_name = "envoy.transport_sockets.tls"
        cluster["transport_socket"] = {"name": socket_name, "typed_config": context}
    return cluster

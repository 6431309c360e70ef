"""The Gateway API's backends: Services, and EndpointSlices for instances outside the cluster."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

from strangler_proxy.config import Document, Instance, Upstream
from strangler_proxy.render.plan import is_ip, split_address

Json = dict[str, Any]
HEAVIEST = 1_000_000  # the largest weight of a backend
_IN_CLUSTER = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\..*)?")


def named(text: str) -> str:
    """A name of Kubernetes for a file or a name of the document."""
    stem = PurePosixPath(text).stem if "/" in text else text
    return re.sub(r"[^a-z0-9-]", "-", stem.lower().replace("_", "--")).strip("-") or "x"


def in_cluster(name: str) -> tuple[str, str] | None:
    """Service and namespace of a cluster's DNS name."""
    found = _IN_CLUSTER.fullmatch(name)
    return (found[1], found[2]) if found else None


def by_address(upstream: Upstream) -> list[Instance]:
    """Instances that are an IP address and a port."""
    return [one for one in upstream.instances if is_ip(split_address(one.address)[0])]


def by_name(upstream: Upstream) -> list[Instance]:
    """Instances that are a host's name and a port."""
    hosts = [(one, split_address(one.address)[0]) for one in upstream.instances]
    return [one for one, host in hosts if not is_ip(host) and not host.startswith("/")]


class Backends:
    """The Services of a document's upstreams, and how routes refer to them."""

    def __init__(self, document: Document) -> None:
        self._upstreams = document.upstreams

    def references(self, split: dict[str, int]) -> list[Json]:
        """``backendRefs``; ``split`` has the percentage of each upstream."""
        shares: list[tuple[Json, Fraction]] = []
        for name, percent in split.items():
            found = list(self._references(name))
            total = sum(weight for _, weight in found)
            shares += [(ref, Fraction(percent * weight, total)) for ref, weight in found]
        whole = math.lcm(*(share.denominator for _, share in shares)) if shares else 1
        if 100 * whole > HEAVIEST:
            whole = HEAVIEST // 100  # rounded then
        return [reference | {"weight": round(share * whole)} for reference, share in shares]

    def _references(self, name: str) -> Iterator[tuple[Json, int]]:
        upstream, service = self._upstreams[name], named(name)
        if upstream.dns is not None:
            inside = in_cluster(upstream.dns.name)
            port = {"port": upstream.dns.port}
            if inside is not None:
                yield {"name": inside[0], "namespace": inside[1]} | port, 1
            else:
                yield {"name": service} | port, 1
            return
        if upstream.registry is not None:
            yield {"name": service, "port": 80}, 1
        direct = by_address(upstream)
        if direct:
            port_of_first = split_address(direct[0].address)[1]
            yield {"name": service, "port": port_of_first}, sum(one.weight for one in direct)
        for number, instance in enumerate(by_name(upstream), 1):
            port_of_it = split_address(instance.address)[1]
            yield {"name": f"{service}-{number}", "port": port_of_it}, instance.weight

    def resources(self) -> list[Json]:
        """Services, EndpointSlices and BackendTLSPolicies."""
        found: list[Json] = []
        for name, upstream in self._upstreams.items():
            made = list(_services(named(name), upstream))
            found += made
            if upstream.tls is not None:
                services = [one["metadata"]["name"] for one in made if one["kind"] == "Service"]
                found.append(_tls(named(name), upstream, services))
        return found


def _services(name: str, upstream: Upstream) -> Iterator[Json]:
    if upstream.dns is not None and in_cluster(upstream.dns.name) is None:
        yield _external(name, upstream.dns.name, upstream.dns.port)
    direct = by_address(upstream)
    if direct:
        port = split_address(direct[0].address)[1]
        yield _service(name, {"ports": [{"name": "http", "port": port}]})
        yield from _slices(name, direct)
    for number, instance in enumerate(by_name(upstream), 1):
        yield _external(f"{name}-{number}", *split_address(instance.address))


def _service(name: str, spec: Json) -> Json:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _external(name: str, host: str, port: int) -> Json:
    ports = [{"name": "http", "port": port}]
    return _service(name, {"type": "ExternalName", "externalName": host, "ports": ports})


def _slices(name: str, instances: list[Instance]) -> Iterator[Json]:
    """One for each family and port: a slice has one of each."""
    groups: dict[tuple[str, int], list[str]] = {}
    for instance in instances:
        host, port = split_address(instance.address)
        family = "IPv6" if ":" in host else "IPv4"
        groups.setdefault((family, port), []).append(host)
    for (family, port), hosts in groups.items():
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{name}-{family.lower()}-{port}",
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": family,
            "ports": [{"name": "http", "port": port}],
            "endpoints": [{"addresses": [host]} for host in hosts],
        }


def _tls(name: str, upstream: Upstream, services: list[str]) -> Json:
    tls = upstream.tls
    assert tls is not None  # noqa: S101 - asked for by the caller
    inside = in_cluster(upstream.dns.name) if upstream.dns is not None else None
    targets = [inside[0]] if inside is not None else services
    hosts = [split_address(one.address)[0] for one in upstream.instances]
    host = tls.server_name or (upstream.dns.name if upstream.dns else (hosts or [name])[0])
    trust: Json = {"hostname": host}
    if tls.ca is None:
        trust["wellKnownCACertificates"] = "System"
    else:
        trust["caCertificateRefs"] = [{"group": "", "kind": "ConfigMap", "name": named(tls.ca)}]
    references = [{"group": "", "kind": "Service", "name": target} for target in targets]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "BackendTLSPolicy",
        "metadata": {"name": name},
        "spec": {"targetRefs": references, "validation": trust},
    }

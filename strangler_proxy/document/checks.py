"""Whether the parts of a document fit together: listeners, credentials, upstreams, capabilities.

What one option may hold is the schema's matter; here are rules that concern several at once.
``route_checks`` has those of routes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from strangler_proxy.config import Address, Capability, Document, Keys, Phase, Upstream
from strangler_proxy.document.route_checks import mirror_findings, route_findings
from strangler_proxy.errors import Finding

MOVED = (Phase.EXTRACTED, Phase.RETIRED)  # the service has the authority


def document_findings(document: Document) -> Iterator[Finding]:
    """Everything that does not fit, in no order."""
    yield from _sockets(document)
    yield from _authentication(document)
    yield from _cors(document)
    shared = document.shared_limits
    if shared is not None and _scheme(shared.redis) not in ("redis", "rediss", "unix"):
        reason = "is not a redis, rediss or unix URL"  # unquoted: it may hold a password
        yield Finding(path="$.shared_limits.redis", reason=reason)
    for name, upstream in document.upstreams.items():
        yield from _upstream(upstream, f"$.upstreams.{name}")
    for name, capability in document.capabilities.items():
        yield from _capability(capability, document, f"$.capabilities.{name}")
    yield from route_findings(document)


def _sockets(document: Document) -> Iterator[Finding]:
    addresses = {f"$.listen[{i}].address": one.address for i, one in enumerate(document.listen)}
    if document.admin is not None:
        addresses["$.admin.address"] = document.admin.address
    taken: dict[str, str] = {}
    for path, address in addresses.items():
        yield from _port(address, path)
        if address in taken:
            yield Finding(path=path, reason=f"{address} is listened on at {taken[address]} already")
        taken.setdefault(address, path)
    for place, listener in enumerate(document.listen):
        for index, network in enumerate(listener.trusted_proxies):
            if network == "unix:":  # no network, but who connects by a unix socket
                continue
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                path = f"$.listen[{place}].trusted_proxies[{index}]"
                yield Finding(
                    path=path, reason=f"{network} is not a network; write 10.0.0.0/8, or unix:"
                )


def _cors(document: Document) -> Iterator[Finding]:
    cors = document.cors
    if cors is not None and cors.credentials and "*" in cors.origins:
        reason = "browsers send no credentials where every origin is allowed; name the origins"
        yield Finding(path="$.cors.credentials", reason=reason)


def _port(address: Address, path: str) -> Iterator[Finding]:
    if not address.startswith("unix:") and not 1 <= int(address.rpartition(":")[2]) <= 65535:
        yield Finding(path=path, reason=f"{address} has a port outside 1 to 65535")


def _authentication(document: Document) -> Iterator[Finding]:
    settings = document.authentication
    if settings is None:
        return
    yield from _keys(settings.keys, "$.authentication.keys")
    path = "$.authentication.algorithms"
    if not settings.algorithms:
        yield Finding(path=path, reason="names none, so no token could be verified")
    if len(set(settings.algorithms)) != len(settings.algorithms):
        yield Finding(path=path, reason="names one twice")


def _keys(keys: Keys, path: str) -> Iterator[Finding]:
    if (keys.url is None) == (keys.file is None):
        yield Finding(path=path, reason="needs exactly one of url and file")
    if keys.url is not None:
        yield from _url(keys.url, f"{path}.url")


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:  # brackets without a v6 address between them
        return ""


def _url(url: str, path: str) -> Iterator[Finding]:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or any(character <= " " for character in url):
        yield Finding(path=path, reason="is not an http or https URL")


def _upstream(upstream: Upstream, path: str) -> Iterator[Finding]:
    kinds = (bool(upstream.instances), upstream.dns is not None, upstream.registry is not None)
    if sum(kinds) != 1:
        yield Finding(path=path, reason="needs exactly one of instances, dns and registry")
    if upstream.registry is not None and upstream.registry.url is not None:
        yield from _url(upstream.registry.url, f"{path}.registry.url")
    taken: set[str] = set()
    for index, instance in enumerate(upstream.instances):
        place = f"{path}.instances[{index}].address"
        yield from _port(instance.address, place)
        if instance.address in taken:
            reason = f"{instance.address} stands there twice; give it a weight instead"
            yield Finding(path=place, reason=reason)
        taken.add(instance.address)
    tls = upstream.tls
    if tls is not None and (tls.certificate is None) != (tls.key is None):
        yield Finding(path=f"{path}.tls", reason="certificate and key go together")
    yield from _watching(upstream, path)


def _watching(upstream: Upstream, path: str) -> Iterator[Finding]:
    """Health checks, ejection and the breaker."""
    health, outliers = upstream.health, upstream.outliers
    if health is not None:
        if health.timeout_seconds > health.interval_seconds:
            reason = "is longer than interval_seconds: checks would overtake each other"
            yield Finding(path=f"{path}.health.timeout_seconds", reason=reason)
        if not health.statuses:
            yield Finding(path=f"{path}.health.statuses", reason="names none: none is healthy")
    if outliers is not None and outliers.max_eject_seconds < outliers.eject_seconds:
        yield Finding(
            path=f"{path}.outliers.max_eject_seconds", reason="is less than eject_seconds"
        )
    breaker = upstream.breaker
    if breaker is not None and breaker.probes > upstream.bulkhead.concurrent:
        reason = f"is more than the bulkhead lets through at once, {upstream.bulkhead.concurrent}"
        yield Finding(path=f"{path}.breaker.probes", reason=reason)


def _capability(capability: Capability, document: Document, path: str) -> Iterator[Finding]:
    upstreams = document.upstreams
    for option in ("monolith", "service"):
        name = getattr(capability, option)
        if name is not None and name not in upstreams:
            yield Finding(path=f"{path}.{option}", reason=f"there is no upstream {name}")
    phase = capability.phase
    if capability.service is None and phase is not Phase.MONOLITH:
        yield Finding(path=path, reason=f"phase {phase} needs a service")
    if capability.service == capability.monolith:
        yield Finding(path=f"{path}.service", reason="is the monolith itself")
    if capability.percent and phase is not Phase.CANARY:
        reason = f"means something in phase canary only; this is {phase}: leave it out"
        yield Finding(path=f"{path}.percent", reason=reason)
    yield from _bound(capability, upstreams, path)
    if capability.mirror is not None:
        where = f"{path}.mirror"
        yield from mirror_findings(capability.mirror, document, where)
        if capability.mirror.upstream == capability.monolith:
            yield Finding(path=f"{where}.upstream", reason="is the monolith, which answers already")


def _bound(
    capability: Capability, upstreams: Mapping[str, Upstream], path: str
) -> Iterator[Finding]:
    """The service's instances must be bound to the database that has the authority."""
    service = upstreams.get(capability.service or "")
    role = service.registry.role if service is not None and service.registry is not None else None
    wrong = {Phase.CANARY: "own", Phase.EXTRACTED: "origin", Phase.RETIRED: "origin"}
    if role is not None and wrong.get(capability.phase) == role:
        whose = "its own database" if role == "own" else "the monolith's database"
        other = "origin" if role == "own" else "own"
        reason = (
            f"phase {capability.phase} needs instances of role {other}; those of"
            f" {capability.service} are bound to {whose}"
        )
        yield Finding(path=f"{path}.service", reason=reason)

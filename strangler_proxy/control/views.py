"""What the admin listener shows: the table by route and phase, and the upstreams of all workers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from strangler_proxy.config import Capability, Document, Phase, Route
from strangler_proxy.control.fleet import MemberSnapshot, UpstreamSnapshot, WorkerSnapshot

Rows = list[tuple[str, ...]]
BREAKERS = (None, "closed", "half_open", "open")  # the worst is last


def routes(document: Document) -> dict[str, Any]:
    """The table in force: routes and where they lead, and the capabilities by phase."""
    return {
        "revision": document.revision,
        "routes": [_route(route) for route in document.routes],
        "capabilities": {
            phase.value: {
                name: _capability(capability)
                for name, capability in sorted(document.capabilities.items())
                if capability.phase is phase
            }
            for phase in Phase
        },
    }


def routes_text(document: Document) -> str:
    """The same for people."""
    lines: Rows = [("ROUTE", "METHODS", "HOSTS", "PATH", "LEADS TO")]
    for route in document.routes:
        lines.append(
            (
                route.name,
                ",".join(route.methods) or "any",
                ",".join(route.hosts) or "any",
                route.prefix if route.exact else f"{route.prefix}*",
                _target(route, document),
            )
        )
    return f"revision {document.revision}\n\n{_columns(lines)}"


def upstreams(workers: Sequence[WorkerSnapshot], document: Document | None) -> dict[str, Any]:
    """Every upstream of the table with its instances, over all workers."""
    merged = merge_upstreams(workers)
    for name in document.upstreams if document else ():
        merged.setdefault(name, UpstreamSnapshot())
    return {"workers": len(workers), "upstreams": merged}


def merge_upstreams(workers: Iterable[WorkerSnapshot]) -> dict[str, UpstreamSnapshot]:
    """Numbers are added up; of health, ejection and breaker the worst that a worker sees."""
    merged: dict[str, UpstreamSnapshot] = {}
    for worker in workers:
        for name, seen in worker.upstreams.items():
            known = merged.get(name)
            merged[name] = seen if known is None else _merge_upstream(known, seen)
    return dict(sorted(merged.items()))


def _merge_upstream(left: UpstreamSnapshot, right: UpstreamSnapshot) -> UpstreamSnapshot:
    members = {member.address: member for member in left.members}
    for member in right.members:
        known = members.get(member.address)
        members[member.address] = member if known is None else _merge_member(known, member)
    return UpstreamSnapshot(
        members=tuple(members.values()),
        inflight=left.inflight + right.inflight,
        waiting=left.waiting + right.waiting,
        panic=left.panic or right.panic,
    )


def _merge_member(left: MemberSnapshot, right: MemberSnapshot) -> MemberSnapshot:
    return MemberSnapshot(
        address=right.address,
        weight=right.weight,
        inflight=left.inflight + right.inflight,
        healthy=left.healthy and right.healthy,
        checked=left.checked and right.checked,
        draining=left.draining or right.draining,
        ejected_seconds=max(left.ejected_seconds, right.ejected_seconds),
        breaker=max(left.breaker, right.breaker, key=BREAKERS.index),
        consecutive_failures=max(left.consecutive_failures, right.consecutive_failures),
        requests=left.requests + right.requests,
        failed=left.failed + right.failed,
        open=left.open + right.open,
        idle=left.idle + right.idle,
        role=right.role,
        version=right.version,
        contract=right.contract,
    )


def _route(route: Route) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": route.name,
        "prefix": route.prefix,
        "exact": route.exact,
        "hosts": route.hosts,
        "methods": route.methods,
        "authentication": route.authentication,
    }
    if route.capability:
        shown["capability"] = route.capability
    elif route.upstream:
        shown["upstream"] = route.upstream
    elif route.answer:
        shown["answer"] = route.answer.status
    return shown


def _capability(capability: Capability) -> dict[str, Any]:
    return {
        "monolith": capability.monolith,
        "service": capability.service,
        "percent": capability.percent,
        "epoch": capability.epoch,
        "held": capability.held,
    }


def _target(route: Route, document: Document) -> str:
    if route.answer:
        return f"answer {route.answer.status}"
    if not route.capability:
        return f"upstream {route.upstream}"
    capability = document.capabilities[route.capability]
    share = f" {capability.percent}%" if capability.phase is Phase.CANARY else ""
    held = ", held" if capability.held else ""
    return (
        f"{route.capability}: {capability.phase}{share} (epoch {capability.epoch}{held}),"
        f" {capability.monolith} -> {capability.service or 'none'}"
    )


def _columns(rows: Rows) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    )

"""Explains a decision to an operator: which route and why not another, which side and why.

Nothing is sent anywhere and nothing is counted. Chance is taken out: a mirror that would get some
of such requests is named with its percentage.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from strangler_proxy.cohorts import bucket_of
from strangler_proxy.compiled import CompiledRoute
from strangler_proxy.config import Phase, Route
from strangler_proxy.decision import Decision, Identify, Reason, Request, Side, decide, readable
from strangler_proxy.errors import Refusal
from strangler_proxy.rivals import rivals
from strangler_proxy.table import Table

_LABEL = 16  # characters of the first column
_BECAUSE = {
    Reason.NO_KEY: "a canary, and the request has none of the route's sticky keys",
    Reason.OVERRIDE: "a member of staff asked for it by Ficus-Route",
    Reason.OVERRIDE_REFUSED: "a member of staff asked by Ficus-Route for what cannot be",
    Reason.UPSTREAM: "the route leads to one upstream",
    Reason.ANSWER: "the route has a fixed answer",
    Reason.BAD_PATH: "the target could be read in two ways",
    Reason.INTERNAL_PATH: "/rpc is between hosts and is never routed",
    Reason.NO_ROUTE: "no route has this host and path",
    Reason.METHOD: "the route of this path does not take the method",
    Reason.CREDENTIALS: "the route asks for credentials, and these do not suffice",
    Reason.SCOPES: "the route asks for scopes that the token lacks",
}


@dataclass(slots=True)
class PlainRequest:
    """A request that nobody sent."""

    method: bytes
    target: bytes
    path: bytes
    host: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)
    address: str = "127.0.0.1"
    secure: bool = False


def plain_request(
    method: str,
    target: str,
    fields: Sequence[str] = (),
    *,
    address: str = "127.0.0.1",
    secure: bool = False,
) -> PlainRequest:
    """A request of ``METHOD``, target and ``Name: value`` lines. Raises ValueError."""
    headers: dict[bytes, bytes] = {}
    for line in fields:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"{line!r} is not a header; write it as Name: value")
        lower = name.strip().lower().encode()
        joint = b"; " if lower == b"cookie" else b", "
        said = value.strip().encode()
        headers[lower] = headers[lower] + joint + said if lower in headers else said
    sent = target.encode()
    host = headers.get(b"host", b"").lower()
    bare, _, port = host.rpartition(b":")
    return PlainRequest(
        method=method.encode(),
        target=sent,
        path=sent.partition(b"?")[0],
        host=bare if port.isdigit() else host,
        headers=headers,
        address=address,
        secure=secure,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What happens to a request and why. Texts are for people; empty where nothing is to say.

    ``rivals``: routes that were looked at, with the reason why each did not get the request.
    ``bucket``: of the sticky key, also in phases that do not ask for it; -1 without key.
    """

    request: str
    revision: int
    decision: Decision
    because: str
    route: str = ""
    rivals: tuple[tuple[str, str], ...] = ()
    capability: str = ""
    sticky: str = ""
    bucket: int = -1
    details: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Some lines of text, the answer first."""
        rows = [*self._verdict(), ("because", self.because), ("route", self.route)]
        for index, (name, reason) in enumerate(self.rivals):
            rows.append(("not" if index == 0 else "", f"{name}: {reason}"))
        rows += [("capability", self.capability), ("sticky key", self.sticky), *self.details]
        rows.append(("table", f"revision {self.revision}"))
        lines = [f"  {label:<{_LABEL}}{_printable(text)}" for label, text in rows if text]
        return "\n".join([_printable(self.request), *lines])

    def members(self) -> dict[str, Any]:
        """The same as plain values."""
        decision, refusal, mirror = self.decision, self.decision.refusal, self.decision.mirror
        return {
            "request": self.request,
            "revision": self.revision,
            "refusal": refusal
            and {"status": refusal.status, "code": refusal.code, "detail": refusal.detail},
            "side": decision.side.value,
            "upstream": decision.upstream,
            "alternative": decision.alternative,
            "mirror": mirror and {"upstream": mirror.upstream, "percent": mirror.percent},
            "reason": decision.reason.value,
            "because": self.because,
            "route": decision.route.name if decision.route is not None else None,
            "rivals": [{"route": name, "reason": reason} for name, reason in self.rivals],
            "phase": decision.phase or None,
            "epoch": decision.epoch,
            "held": decision.held,
            "sticky": self.sticky,
            "bucket": self.bucket,
            "details": dict(self.details),
        }

    def _verdict(self) -> Iterator[tuple[str, str]]:
        decision = self.decision
        if decision.refusal is not None:
            refusal = decision.refusal
            yield "refused", f"{refusal.status} {refusal.code}: {refusal.detail}"
        elif decision.side is Side.ANSWER:
            yield "answered", "by the front door itself"
        else:
            side = "" if decision.side is Side.DIRECT else f" (the {decision.side})"
            yield "goes to", f"{decision.upstream}{side}"
        if decision.alternative:
            reason = "the monolith still has the authority"
            yield "if it is down", f"{decision.alternative}: {reason}"


class _Certain(random.Random):
    """Chance that always falls on the first."""

    def random(self) -> float:
        return 0.0


def explain(table: Table, request: Request, now: float, *, identify: Identify) -> Explanation:
    """The decision for ``request`` at ``now`` (Unix time), explained."""
    decision = decide(request, table, now, _Certain(), identify=identify)
    where = readable(request.path, request.host)
    host, path = where if not isinstance(where, Refusal) else (request.host, b"")
    route = decision.route
    source, key = _sticky_key(request, decision)
    return Explanation(
        request=f"{_text(request.method)} {_text(host)}{_text(request.target)}",
        revision=table.revision,
        decision=decision,
        because=_because(decision),
        route=_route(route) if route is not None else "",
        rivals=tuple(rivals(table, request.method, host, path, route)) if path else (),
        capability=_capability(route) if route is not None else "",
        sticky=f"{source} {_text(key)!r}: bucket {bucket_of(key)} of 0 to 99" if key else "",
        bucket=bucket_of(key) if key else -1,
        details=tuple(_details(decision, route)) if route is not None else (),
    )


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def _printable(text: str) -> str:
    """What a client sent must not write lines of its own, or to the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _sticky_key(request: Request, decision: Decision) -> tuple[str, bytes]:
    """The first key that the request has, and where it stands."""
    route = decision.route
    if route is not None and route.capability is not None:
        for source in route.sticky:
            key = source.key(request, decision.identity)
            if key:
                return source.text, key
    return "", b""


def _because(decision: Decision) -> str:
    capability = decision.route.capability if decision.route is not None else None
    if decision.refusal is not None and decision.refusal.code == "bad_target":
        return "a request names its target by a path, or by a whole URL"
    if capability is None or decision.reason not in (Reason.PHASE, Reason.COHORT):
        return _BECAUSE[decision.reason]
    if decision.reason is Reason.PHASE:
        return f"{capability.name} is in phase {decision.phase}"
    inside = "is" if decision.side is Side.SERVICE else "is not"
    theirs = f"{100 - capability.percent} to 99" if capability.percent else "none at 0 %"
    return f"bucket {decision.bucket} {inside} one of the canary's, {theirs}"


def _route(route: CompiledRoute) -> str:
    settings = route.settings
    methods = " ".join(settings.methods) or "any method"
    return f"{route.name}: {_pattern(settings)}, {methods}"


def _pattern(settings: Route) -> str:
    hosts = " ".join(settings.hosts) or "any host"
    return f"{'exactly' if settings.exact else 'prefix'} {settings.prefix}, {hosts}"


def _capability(route: CompiledRoute) -> str:
    capability = route.capability
    if capability is None:
        return ""
    percent = f" {capability.percent} %" if capability.phase == Phase.CANARY else ""
    held = ", commands are held" if capability.held else ""
    return f"{capability.name}: phase {capability.phase}{percent}, epoch {capability.epoch}{held}"


def _details(decision: Decision, route: CompiledRoute) -> Iterator[tuple[str, str]]:
    settings = route.settings
    identity = decision.identity
    if identity is not None:
        staff = ", staff" if identity.staff else ""
        scopes = " ".join(sorted(identity.scopes)) or "none"
        yield "identity", f"{identity.subject}{staff}, scopes {scopes}"
    elif not route.asks:
        yield "identity", "credentials are not looked at"
    if decision.held:
        yield "held", "authority is moving: the command waits and is decided again"
    mirror = decision.mirror
    if mirror is not None:
        methods = " ".join(mirror.methods)
        yield "mirror", f"{mirror.percent} % of {methods} to {mirror.upstream}"
    if decision.side is Side.ANSWER:
        return
    yield "limits", " ".join(settings.rate_limits) or "none"
    yield "cache", "as RFC 9111 allows" if settings.cache is not None else "none"
    yield "deadline", f"{settings.deadline_seconds:g} s, attempts {settings.retry.attempts}"
    fallback = settings.fallback
    if fallback is not None:
        instead = fallback.upstream or ("a stale answer" if fallback.stale else "a fixed answer")
        yield "fallback", f"{instead} for {' '.join(map(str, fallback.statuses))}"

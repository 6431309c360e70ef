"""A client, a cache and an upstream in one object, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from strangler_proxy import config
from strangler_proxy.cache import REPLACED, Answer, Cache, Kind, Plan, Rules, Then
from strangler_proxy.cache.dates import format_date
from strangler_proxy.cache.stored import joined
from strangler_proxy.errors import Field

START = 1_700_000_000.0


@dataclass
class Asking:
    """A request."""

    method: bytes = b"GET"
    target: bytes = b"/"
    host: bytes = b"shop.example"
    secure: bool = True
    headers: dict[bytes, bytes] = field(default_factory=dict)


@dataclass
class Got:
    """What a client got. ``asked`` are the headers the upstream saw, None if it saw nothing."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes
    plan: Plan
    asked: Mapping[bytes, bytes] | None
    then: Then | None = None

    @property
    def from_cache(self) -> bool:
        return self.asked is None


@dataclass
class Reply:
    """What the upstream answers. Dates are written as seconds from now: ``{"expires": 60}``."""

    headers: Mapping[str, str | int | list[str]] = field(default_factory=dict)
    status: int = 200
    body: bytes = b"content"

    def fields(self, now: float) -> tuple[Field, ...]:
        pairs: list[Field] = []
        for name, value in self.headers.items():
            for one in value if isinstance(value, list) else [value]:
                text = format_date(now + one) if isinstance(one, int) else one.encode()
                pairs.append((name.encode(), text))
        return tuple(pairs)


FAILS = None  # the upstream cannot be reached


class Shop:
    """``get`` asks through the cache; ``later`` lets time pass."""

    def __init__(
        self, policy: config.Cache | None = None, *, size: int = 1 << 20, **options: object
    ) -> None:
        self.cache = Cache(size, credentials=("X-Api-Key",))
        chosen = policy or config.Cache(**options)  # type: ignore[arg-type]
        self.rules = Rules("shop", chosen)
        self.now = START
        self.upstream = ""

    def later(self, seconds: float) -> None:
        self.now += seconds

    def plan(self, request: Asking) -> Plan:
        return self.cache.plan(self.rules, request, self.now, self.upstream)

    def get(
        self,
        reply: Reply | None = FAILS,
        *,
        target: bytes = b"/",
        method: bytes = b"GET",
        **headers: str,
    ) -> Got:
        """Ask. In names of headers a ``_`` stands for ``-``."""
        named = {name.replace("_", "-").encode(): v.encode() for name, v in headers.items()}
        plan = self.plan(Asking(method, target, headers=named))
        if plan.kind is Kind.SERVE:
            assert plan.answer is not None
            return _got(plan.answer, plan, None)
        if plan.refusal is not None:
            return Got(plan.refusal.status, {}, b"", plan, None)
        try:
            return self.forward(plan, reply)
        finally:
            self.cache.finish(plan, self.now)

    def forward(self, plan: Plan, reply: Reply | None) -> Got:
        """Ask the upstream as the plan says."""
        request = plan.request
        asked = dict(request.headers)
        if plan.conditions:
            asked = {name: v for name, v in asked.items() if name not in REPLACED}
            asked.update(plan.conditions)
        if reply is FAILS:
            stale = self.cache.on_failure(plan, self.now)
            return _got(stale or Answer(502, (), (), b""), plan, asked)
        fields = reply.fields(self.now)
        headers = joined(fields)
        self.cache.invalidate(request, reply.status, headers, self.now)
        outcome = self.cache.on_response(plan, reply.status, headers, fields, self.now)
        if outcome.answer is not None:
            return _got(outcome.answer, plan, asked, outcome.then)
        if outcome.recording is not None:
            outcome.recording.write(reply.body, self.now)
            outcome.recording.commit(self.now)
        passed = joined(fields + outcome.status)
        return Got(reply.status, passed, reply.body, plan, asked, outcome.then)

    def stores(self, reply: Reply, **headers: str) -> bool:
        """Whether the same request is answered from the cache a second later."""
        self.get(reply, **headers)
        self.later(1)
        return self.get(Reply(status=599), **headers).from_cache


def _got(
    answer: Answer, plan: Plan, asked: Mapping[bytes, bytes] | None, then: Then | None = None
) -> Got:
    return Got(answer.status, joined(answer.fields()), answer.body, plan, asked, then)


def fresh(seconds: int = 60, **headers: str | int | list[str]) -> Reply:
    """An answer that is fresh for so long."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply({"cache-control": f"max-age={seconds}", "date": 0, **named})

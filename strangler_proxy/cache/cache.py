"""A shared cache by RFC 9111, without IO: it says what to do, the exchange does it.

    plan = cache.plan(rules, request, now)          SERVE, REFUSE: done. Else, if not
    cache.join(plan, wake, now)                     True: wait for wake(), then plan again.
    outcome = cache.on_response(plan, ...)          with the head of the upstream's answer, or
    answer = cache.on_failure(plan, now)            when there is none
    cache.finish(plan, now)                         always, at the end

Also kept here, because it is common and safe: stale-while-revalidate and stale-if-error
(RFC 5861), CDN-Cache-Control (RFC 9213), Cache-Status (RFC 9211).
"""

from __future__ import annotations

from collections.abc import Iterable

from strangler_proxy.cache import status as cache_status
from strangler_proxy.cache.answers import Answer, answer, whole
from strangler_proxy.cache.directives import FOREVER, parse_directives
from strangler_proxy.cache.flights import Flights, Wake
from strangler_proxy.cache.freshness import Headers
from strangler_proxy.cache.invalidation import SAFE, Invalidated, places
from strangler_proxy.cache.keeping import Counts, Keeper
from strangler_proxy.cache.memory import Memory
from strangler_proxy.cache.planning import REPLACED, Kind, Outcome, Plan, Request, Rules, Said, Why
from strangler_proxy.cache.stored import Stored
from strangler_proxy.errors import Field, Refusal

ASKING_SECONDS = 10.0  # between two requests in the background for the same answer
_NOTHING_STORED = Refusal(504, "not_cached", "Nothing stored may answer this, and only that may.")
# A request with one of these fields is looked at more closely.
_SPECIAL = REPLACED | frozenset(
    {
        *(b"cache-control", b"content-length", b"transfer-encoding", b"if-match"),
        *(b"if-unmodified-since", b"upgrade"),
    }
)
_FOR_UPSTREAM = frozenset({b"if-match", b"if-unmodified-since", b"transfer-encoding", b"upgrade"})


class Cache:
    """``max_bytes`` bounds it. ``credentials`` are the request fields besides Authorization whose
    bearer an upstream knows; answers to them are stored only when they say that all may see them.
    """

    def __init__(self, max_bytes: int, *, credentials: Iterable[str] = ()) -> None:
        self.memory = Memory(max_bytes)
        self.flights = Flights()
        self.counts = Counts()
        self._credentials = frozenset(
            {b"authorization", *(name.lower().encode() for name in credentials)}
        )
        self._invalidated = Invalidated()
        self._keeper = Keeper(
            self.memory, self.flights, self.counts, self._invalidated, self._credentials
        )

    # ------------------------------------------------------------ a request

    def plan(self, rules: Rules, request: Request, now: float, upstream: str = "") -> Plan:
        """What to do with a request. Answers of different ``upstream`` are kept apart."""
        headers = request.headers
        method = request.method
        plan = Plan(Kind.BYPASS, rules, request, now)
        if method != b"GET" and method != b"HEAD":
            plan.why = Why.METHOD
            return plan
        plain = _SPECIAL.isdisjoint(headers)
        if not plain and _is_for_upstream(headers):
            plan.why = Why.BYPASS
            return plan
        plan.key = key = (request.target, request.host, request.secure, rules.space, upstream)
        stored = self.memory.find(key, headers)
        if stored is None:
            return self._forward(plan, Why.VARY_MISS if self.memory.knows(key) else Why.URI_MISS)
        if plain and now < stored.fresh_until and not stored.terms.always_ask:
            return self._serve(plan, stored, now, plain=True)
        return self._judge(plan, stored, now)

    def join(self, plan: Plan, wake: Wake, now: float) -> bool:
        """True: send the request now. False: the same is under way; ``wake`` is called, once,
        from within what ends that, then plan again. Give up waiting with ``leave``: after
        ``collapse_seconds`` at the latest."""
        if plan.what is None:
            return True
        seconds = plan.rules.policy.collapse_seconds
        goes, plan.ticket = self.flights.join(plan.what, wake, now, seconds)
        self.counts.waited += not goes
        return goes

    def leave(self, plan: Plan) -> None:
        """Wait no longer; send the request."""
        self.flights.leave(plan.what, plan.ticket)
        plan.what = None

    def _serve(self, plan: Plan, stored: Stored, now: float, *, plain: bool = False) -> Plan:
        request = plan.request
        plan.kind = Kind.SERVE
        plan.said = Said.HIT if now < stored.fresh_until else Said.STALE
        plan.stored = stored
        if plain:
            made = whole(stored, now, with_body=request.method == b"GET")
        else:
            made = answer(stored, request.method, request.headers, now)
        if plan.rules.policy.status_header:
            made.extra += cache_status.hit(plan, stored, now)
        plan.answer = made
        self.counts.hits += 1
        return plan

    def _judge(self, plan: Plan, stored: Stored, now: float) -> Plan:
        """It is stale, or the client has wishes (RFC 9111 sections 4.2.4 and 5.2.1)."""
        terms = stored.terms
        wishes = parse_directives(plan.request.headers.get(b"cache-control"))
        seconds = wishes.seconds
        left = stored.fresh_until - now
        if (
            b"no-cache" in wishes.flags
            or now - terms.born > seconds.get(b"max-age", FOREVER)
            or max(left, 0.0) < seconds.get(b"min-fresh", 0)
        ):
            return self._revalidate(plan, stored, Why.REQUEST)
        if terms.always_ask:
            return self._revalidate(plan, stored, Why.STALE)
        if left > 0:
            return self._serve(plan, stored, now)
        renew = -left < terms.while_revalidate
        if not terms.strict and (renew or -left < seconds.get(b"max-stale", 0)):
            return self._serve_stale(plan, stored, now, renew)
        plan.may_be_stale = seconds.get(b"stale-if-error", 0)
        return self._revalidate(plan, stored, Why.STALE)

    def _serve_stale(self, plan: Plan, stored: Stored, now: float, renew: bool) -> Plan:
        self.counts.stale += 1
        if renew and stored.asking_until <= now and plan.request.method == b"GET":
            stored.asking_until = now + ASKING_SECONDS
            plan.background = True
            plan.conditions = stored.validators()
            plan.why = Why.STALE
        return self._serve(plan, stored, now)

    def _revalidate(self, plan: Plan, stored: Stored, why: Why) -> Plan:
        plan.stored = stored
        plan.conditions = stored.validators()
        return self._forward(plan, why)

    def _forward(self, plan: Plan, why: Why) -> Plan:
        headers = plan.request.headers
        plan.why = why
        plan.kind = Kind.REVALIDATE if plan.conditions else Kind.FORWARD
        plan.said = Said.MISS
        self.counts.misses += 1
        wishes = headers.get(b"cache-control")
        if wishes is not None and b"only-if-cached" in parse_directives(wishes).flags:
            plan.kind = Kind.REFUSE
            plan.said = Said.REFUSED
            plan.refusal = _NOTHING_STORED
        elif self._others_may_wait(plan, headers):
            assert plan.key is not None  # noqa: S101 - set before
            plan.what = (plan.key, self.memory.variant(plan.key, headers))
        return plan

    def _others_may_wait(self, plan: Plan, headers: Headers) -> bool:
        """Only for what is the same for all, and may turn out to be storable."""
        return (
            plan.rules.policy.collapse_seconds > 0
            and plan.request.method == b"GET"
            and plan.why is not Why.REQUEST
            and (plan.kind is Kind.REVALIDATE or REPLACED.isdisjoint(headers))
            and self._credentials.isdisjoint(headers)
        )

    # ------------------------------------------------------------ its answer

    def on_response(
        self, plan: Plan, status: int, headers: Headers, fields: Iterable[Field], now: float
    ) -> Outcome:
        """What to do with an upstream's answer. ``headers`` by name in lower case, repeated ones
        joined; ``fields`` are those that may travel on."""
        return self._keeper.on_response(plan, status, headers, fields, now)

    def on_failure(self, plan: Plan, now: float) -> Answer | None:
        """There is no answer: the stored one, if it may stand in for it."""
        return self._keeper.on_failure(plan, now)

    def last_resort(self, plan: Plan, now: float) -> Answer | None:
        """Whatever is stored, whatever its age and its rules: a route's fallback ``stale``."""
        return self._keeper.last_resort(plan, now)

    def finish(self, plan: Plan, now: float) -> None:
        """Nothing more comes of this plan. Those who wait for it plan again."""
        self._keeper.land(plan, now, storable=True)

    def invalidate(self, request: Request, status: int, headers: Headers, now: float) -> None:
        """Call with every answer to an unsafe method, whether its route has a cache or not."""
        if request.method in SAFE or not 200 <= status < 400:
            return
        for place in places(request, headers):
            self._invalidated.add(place, now)
            self.memory.drop_place(place)


def _is_for_upstream(headers: Headers) -> bool:
    """Whether nothing stored may answer, and the answer may not be stored: it has a body, or
    preconditions that only the origin can judge, or says no-store."""
    if not _FOR_UPSTREAM.isdisjoint(headers) or headers.get(b"content-length", b"0") != b"0":
        return True
    wishes = headers.get(b"cache-control")
    return wishes is not None and b"no-store" in parse_directives(wishes).flags

"""What the cache makes of an upstream's answer: store it, freshen with it, or put it aside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from strangler_proxy.cache import status as cache_status
from strangler_proxy.cache.answers import Answer, answer
from strangler_proxy.cache.flights import Flights
from strangler_proxy.cache.freshness import NEVER_STORED, Headers, Terms, terms_of
from strangler_proxy.cache.invalidation import Invalidated
from strangler_proxy.cache.memory import Memory
from strangler_proxy.cache.planning import Kind, Outcome, Plan, Said, Then, Why
from strangler_proxy.cache.recording import Recording
from strangler_proxy.cache.stored import Stored, joined, kept, updated
from strangler_proxy.cache.variants import can_select, names_of, values_of
from strangler_proxy.errors import Field

ERRORS = frozenset({500, 502, 503, 504})  # RFC 5861 section 4


@dataclass(slots=True)
class Counts:
    """How often, since the start."""

    hits: int = 0
    stale: int = 0  # served although stale
    misses: int = 0
    revalidated: int = 0
    stored: int = 0
    waited: int = 0


class Keeper:
    """The half of ``Cache`` that answers concern; it shares the other's state."""

    def __init__(
        self,
        memory: Memory,
        flights: Flights,
        counts: Counts,
        invalidated: Invalidated,
        credentials: frozenset[bytes],
    ) -> None:
        self.memory = memory
        self.flights = flights
        self.counts = counts
        self._invalidated = invalidated
        self._credentials = credentials

    def on_response(
        self, plan: Plan, status: int, headers: Headers, fields: Iterable[Field], now: float
    ) -> Outcome:
        """See ``Cache``."""
        if plan.kind is Kind.BYPASS:
            return Outcome(Then.PASS, status=cache_status.forwarded(plan, status))
        stored = plan.stored
        if status == 304 and plan.conditions and stored is not None:
            return self._on_304(plan, stored, headers, fields, now)
        if status in ERRORS:
            stale = self._on_error(plan, status, now)
            if stale is not None:
                return Outcome(Then.SERVE, answer=stale)
        if plan.request.method == b"HEAD":
            if stored is not None and status == stored.status == 200:
                self._on_head(plan, stored, headers, fields, now)
            return Outcome(Then.PASS, status=cache_status.forwarded(plan, status))
        return self._store_or_pass(plan, status, headers, fields, now)

    def on_failure(self, plan: Plan, now: float) -> Answer | None:
        """See ``Cache``."""
        made = self._on_error(plan, None, now)
        self.land(plan, now, storable=False)  # each of them may try
        return made

    def last_resort(self, plan: Plan, now: float) -> Answer | None:
        """See ``Cache``."""
        if plan.key is None:
            return None
        stored = plan.stored or self.memory.find(plan.key, plan.request.headers)
        if stored is None:
            return None
        return self._instead(plan, stored, None, now)

    def _on_304(
        self, plan: Plan, stored: Stored, headers: Headers, fields: Iterable[Field], now: float
    ) -> Outcome:
        if not stored.is_meant(headers):
            # It must not update what it does not name (RFC 9111 section 4.3.4).
            self.memory.drop(stored)
            plan.kind, plan.stored, plan.conditions = Kind.FORWARD, None, ()
            return Outcome(Then.REPEAT)
        self.counts.revalidated += 1
        plan.said = Said.REVALIDATED
        fresh = self._freshened(plan, stored, headers, fields, now)
        self.land(plan, now, storable=self.memory.holds(fresh))
        request = plan.request
        made = answer(fresh, request.method, request.headers, now)
        made.extra += cache_status.forwarded(plan, 304, stored=self.memory.holds(fresh))
        return Outcome(Then.SERVE, answer=made)

    def _on_error(self, plan: Plan, status: int | None, now: float) -> Answer | None:
        """RFC 5861 section 4, within RFC 9111 section 4.2.4."""
        stored = plan.stored
        if stored is None or plan.why is not Why.STALE or plan.background:
            return None
        terms = stored.terms
        allowed = max(terms.if_error, plan.may_be_stale)
        if terms.strict or now - stored.fresh_until > allowed:
            return None
        self.land(plan, now, storable=True)
        return self._instead(plan, stored, status, now)

    def _instead(self, plan: Plan, stored: Stored, status: int | None, now: float) -> Answer:
        """A stale answer in the place of none."""
        self.counts.stale += 1
        plan.said = Said.STALE
        made = answer(stored, plan.request.method, plan.request.headers, now)
        made.extra += cache_status.forwarded(plan, status, detail=b"stale-if-error")
        return made

    def _on_head(
        self, plan: Plan, stored: Stored, headers: Headers, fields: Iterable[Field], now: float
    ) -> None:
        """RFC 9111 section 4.3.5."""
        if stored.is_described(headers):
            self._freshened(plan, stored, headers, fields, now)
        else:
            self.memory.drop(stored)

    def _store_or_pass(
        self, plan: Plan, status: int, headers: Headers, fields: Iterable[Field], now: float
    ) -> Outcome:
        policy = plan.rules.policy
        terms = self._terms(plan, status, headers, now)
        names = names_of(headers.get(b"vary", b""))
        if (
            terms is None
            or int(headers.get(b"content-length", b"0")) > policy.body_bytes
            or not can_select(names, plan.rules.renamed)
        ):
            if plan.stored is not None and status not in NEVER_STORED and status < 500:
                self.memory.drop(plan.stored)  # this answer has taken its place
            self.land(plan, now, storable=False)
            return Outcome(Then.PASS, status=cache_status.forwarded(plan, status))
        recording = Recording(
            status,
            kept(fields, headers, terms.withheld, now),
            terms,
            names,
            values_of(names, plan.request.headers),
            policy.body_bytes,
            lambda recording, body, now: self._settle(plan, recording, body, now),
        )
        noted = cache_status.forwarded(plan, status, stored=True)
        return Outcome(Then.STORE, recording=recording, status=noted)

    def _settle(self, plan: Plan, recording: Recording, body: bytes | None, now: float) -> None:
        """A recording is over; without a body it failed."""
        if body is not None and self._may_keep(plan):
            assert plan.key is not None  # noqa: S101 - only such plans record
            self.memory.put(
                Stored(
                    plan.key,
                    recording.names,
                    recording.values,
                    recording.status,
                    recording.fields,
                    body,
                    recording.terms,
                )
            )
            self.counts.stored += 1
        self.land(plan, now, storable=body is not None)

    def _freshened(
        self, plan: Plan, stored: Stored, headers: Headers, fields: Iterable[Field], now: float
    ) -> Stored:
        """The stored answer with the new fields; kept only if its new terms allow it."""
        merged = updated(stored, fields, headers, now)
        by_name = joined(merged)
        if b"age" in headers:
            by_name[b"age"] = headers[b"age"]
        terms = self._terms(plan, stored.status, by_name, now)
        names = names_of(by_name.get(b"vary", b""))
        keep = terms is not None and can_select(names, plan.rules.renamed)
        terms = terms or replace(stored.terms, born=now, lifetime=0.0)
        fresh = Stored(
            stored.key,
            names,
            values_of(names, plan.request.headers),
            stored.status,
            tuple([field for field in merged if field[0].lower() not in terms.withheld]),
            stored.body,
            terms,
        )
        self.memory.drop(stored)
        if keep and self._may_keep(plan):
            self.memory.put(fresh)
        return fresh

    def _terms(self, plan: Plan, status: int, headers: Headers, now: float) -> Terms | None:
        return terms_of(
            status,
            headers,
            plan.rules.policy,
            asked=plan.asked,
            received=now,
            credentials=not self._credentials.isdisjoint(plan.request.headers),
        )

    def _may_keep(self, plan: Plan) -> bool:
        key = plan.key
        return key is not None and not self._invalidated.since(key[:3], plan.asked)

    def land(self, plan: Plan, now: float, *, storable: bool) -> None:
        """End the plan's fetch for those who wait for it."""
        if plan.what is not None:
            self.flights.land(plan.what, plan.ticket, now, storable=storable)
            plan.what = None

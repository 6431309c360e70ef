"""Which instance of an upstream is asked, and which is left in peace for a while.

Power of two choices: two members are drawn by weight and the one with fewer requests under way
for its weight is asked; a tie goes to the first drawn, so that even single requests come in the
proportion of the weights (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").

Three signals keep a member out, and they differ in what they are worth:

=============  =====================================  =========================================
active checks  ``mark``, from health.py               a guess: ignored when nobody is left
ejection       consecutive failures, growing time     a guess: ignored when nobody is left
breaker        its own window of real requests        always respected
draining       discovery no longer names the member   always respected
=============  =====================================  =========================================

When no member is both healthy and not ejected the balancer panics: it asks all of them. A check
or a shared dependency that fails everywhere at once says more about itself than about the
members, and asking costs less than refusing everything. Breakers then stop what really fails.

There is no slow start: a cold member is slow, keeps its requests longer and so is asked less.
Everything here runs in one event loop; ``now`` is a reading of the balancer's clock.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from modules.platform.resilience import BreakerPolicy
from strangler_proxy.breaking import SLOTS, MemberBreaker
from strangler_proxy.config import Breaker, Instance, Outliers, Upstream
from strangler_proxy.counted import Event
from strangler_proxy.member import NEVER, Member, describe

__all__ = ["Balancer", "Member"]

log = logging.getLogger(__name__)

Clock = Callable[[], float]  # seconds; only differences count


class Balancer:
    """The members of one upstream.

    For each attempt, without waiting in between: ``member = pick(now)``,
    ``ticket = started(member)``; and once it is over, whatever happened,
    ``finished(member, ticket, now, failed=...)``. ``on_gone`` gets each member that discovery no
    longer names as soon as it has no request under way, once: its connections can be closed.
    """

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        *,
        on_gone: Callable[[Member], None],
        on_event: Callable[[Event], None] = lambda event: None,
        rng: random.Random,
        clock: Clock = time.monotonic,
    ) -> None:
        self.name = name
        self.members: tuple[Member, ...] = ()
        self.leaving: tuple[Member, ...] = ()  # draining, with requests under way
        self.panics = False
        self._on_gone = on_gone
        self._on_event = on_event
        self._rng = rng
        self._random = rng.random
        self._clock = clock
        self._ready: Sequence[Member] = ()
        self._draw: tuple[Member, ...] = ()  # of the ready, each as often as its weight
        self._returns_at = math.inf  # when the next ejection ends
        self._outliers: Outliers | None = None
        self._policy: BreakerPolicy | None = None
        self._window = math.inf  # of the policy
        self.configure(upstream, clock())

    # ------------------------------------------------------------ each request

    def pick(self, now: float, avoid: Collection[Member] = ()) -> Member | None:
        """The member to ask; None when nobody may be asked.

        ``avoid`` are those that this request has tried. None then means that nobody else is
        there; whether to ask the same again is the caller's to decide.
        """
        if now >= self._returns_at:
            self._arrange(now)
        draw = self._draw
        count = len(draw)
        if count == 1 and not avoid:
            only = draw[0]
            if only.round >= 0 or only.breaker is None or only.breaker.admits:
                return only
            return None
        if avoid or count < 2:
            return self._pick_among_allowed(avoid)
        # One random number for two different places in the draw.
        at = int(self._random() * (count * (count - 1)))
        i = at // (count - 1)
        j = at % (count - 1)
        first = draw[i]
        second = draw[j if j < i else j + 1]
        if (first.round >= 0 or first.breaker is None or first.breaker.admits) and (
            second.round >= 0 or second.breaker is None or second.breaker.admits
        ):
            if second.inflight * first.weight < first.inflight * second.weight:
                return second
            return first
        return self._pick_among_allowed(avoid)

    def started(self, member: Member) -> int:
        """A request goes to ``member``; keep the ticket for ``finished``.

        Raises CircuitOpen if the caller waited since ``pick`` and the breaker opened meanwhile.
        """
        ticket = member.round if member.round >= 0 else member.enter()
        member.inflight += 1
        return ticket

    def finished(self, member: Member, ticket: int, now: float, *, failed: bool | None) -> None:
        """The request is over. ``failed``: the member is to blame; None: nobody can tell.

        None is for what the client ended and for what was never sent.
        """
        member.inflight -= 1
        member.requests += 1
        if member.breaker is not None:
            if failed or ticket != member.round:
                member.leave(ticket, failed)
            elif failed is not None:  # of one that is closed; it need not hear of the others
                member.went_well(self._clock() / self._window * SLOTS)
        if failed:
            self._count_failure(member, now)
        elif failed is not None:
            member.failures = 0
        if member.draining and not member.inflight:
            self.leaving = tuple(one for one in self.leaving if one is not member)
            self._on_gone(member)

    def retry_after(self) -> float:
        """Seconds until the first breaker lets a request through; 0.0 if one does now."""
        waits = [one.breaker.retry_after for one in self._ready if one.breaker is not None]
        return min(waits, default=0.0)

    @property
    def is_probed(self) -> bool:
        """Whether requests try a member whose breaker is half open: more is known soon."""
        return any(one.breaker is not None and one.breaker.is_probed for one in self._ready)

    def rests(self, now: float) -> bool:
        """Whether there are members, and no breaker lets a request through to any of them."""
        return bool(self.members) and self.pick(now) is None

    # ------------------------------------------------------------ now and then

    def update(self, instances: Iterable[Instance], now: float) -> None:
        """Take over what discovery says. Members are kept by address, with all they carry."""
        known = {member.address: member for member in (*self.members, *self.leaving)}
        members = []
        for address, weight in {one.address: one.weight for one in instances}.items():
            member = known.pop(address, None) or Member(address, weight, self._new_breaker(address))
            member.weight = weight
            member.draining = False
            members.append(member)
        for member in known.values():
            member.draining = True
        self.members = tuple(members)
        self.leaving = tuple(member for member in known.values() if member.inflight)
        self._arrange(now)
        for member in known.values():
            if not member.inflight:
                self._on_gone(member)

    def mark(self, member: Member, healthy: bool, now: float) -> None:
        """What the active checks found."""
        member.healthy = healthy
        member.checked = True
        self._arrange(now)

    def configure(self, upstream: Upstream, now: float) -> None:
        """Go on by another document: counters and states stay where they still have a meaning."""
        policy = _policy(upstream.breaker)
        changed, self._policy = policy != self._policy, policy
        self._window = policy.window if policy is not None else math.inf
        self._outliers = upstream.outliers
        for member in (*self.members, *self.leaving):
            if changed:
                self._change_breaker(member, policy)
            if upstream.outliers is None:
                member.ejected_until, member.ejections = NEVER, 0
            if upstream.health is None:
                member.healthy, member.checked = True, False
        self._arrange(now)

    def snapshot(self, now: float) -> dict[str, Any]:
        """How things stand, for people: ``{"panic": bool, "members": [{...}]}``."""
        self._arrange(now)
        members = (*self.members, *self.leaving)
        return {"panic": self.panics, "members": [describe(one, now) for one in members]}

    # ------------------------------------------------------------ inside

    def _pick_among_allowed(self, avoid: Collection[Member]) -> Member | None:
        allowed = [
            one
            for one in self._ready
            if (one.breaker is None or one.breaker.admits) and one not in avoid
        ]
        if len(allowed) < 2:
            return allowed[0] if allowed else None
        first = self._one_by_weight(allowed)
        allowed.remove(first)
        second = self._one_by_weight(allowed)
        if second.inflight * first.weight < first.inflight * second.weight:
            return second
        return first

    def _one_by_weight(self, members: Sequence[Member]) -> Member:
        return self._rng.choices(members, [one.weight for one in members])[0]

    def _arrange(self, now: float) -> None:
        """Who may be drawn, until the next change."""
        ready = [one for one in self.members if one.healthy and one.ejected_until <= now]
        panics = not ready and bool(self.members)
        if panics is not self.panics:
            self.panics = panics
            if panics:
                log.error("upstream %s: no healthy member; all are asked", self.name)
            else:
                log.info("upstream %s: healthy members are back", self.name)
        self._ready = ready or self.members
        # Weights 2, 4 and 6 need three places in six, not in twelve.
        step = math.gcd(*(one.weight for one in self._ready)) or 1
        self._draw = tuple(one for one in self._ready for _ in range(one.weight // step))
        ends = (one.ejected_until for one in self.members if one.ejected_until > now)
        self._returns_at = min(ends, default=math.inf)

    def _count_failure(self, member: Member, now: float) -> None:
        member.failed += 1
        opened_at = member.breaker.opened_at if member.breaker is not None else None
        if opened_at != member.opened_at:
            member.opened_at = opened_at
            if opened_at is not None:
                self._on_event(Event.BREAKER_OPENED)
        outliers = self._outliers
        # What ends while it is ejected began before, or in a panic: it is no news.
        if outliers is None or now < member.ejected_until:
            return
        member.failures += 1
        if member.failures < outliers.consecutive_failures or member.draining:
            return
        ejected = sum(now < one.ejected_until for one in self.members)
        # Strictly: a lone member is never ejected at 50 percent. That would only be an outage of
        # our own making; its breaker says when to stop.
        if (ejected + 1) * 100 <= outliers.max_ejected_percent * len(self.members):
            self._eject(member, outliers, now)

    def _eject(self, member: Member, outliers: Outliers, now: float) -> None:
        step, longest = outliers.eject_seconds, outliers.max_eject_seconds
        if member.ejections:  # each step of time in good standing makes up for one
            forgiven = int((now - member.ejected_until) // step)
            member.ejections = max(0, member.ejections - forgiven)
        member.ejections = min(member.ejections + 1, math.ceil(longest / step))
        seconds = min(step * member.ejections, longest)
        log.warning(
            "upstream %s: %s is ejected for %g s after %d failures in a row",
            self.name,
            member.address,
            seconds,
            member.failures,
        )
        member.failures = 0
        member.ejected_until = now + seconds
        self._on_event(Event.EJECTED)
        self._arrange(now)

    def _new_breaker(self, address: str) -> MemberBreaker | None:
        if self._policy is None:
            return None
        return MemberBreaker(f"{self.name} {address}", self._policy, clock=self._clock)

    def _change_breaker(self, member: Member, policy: BreakerPolicy | None) -> None:
        member.forget()
        if policy is None or member.breaker is None:
            member.breaker = self._new_breaker(member.address)
        else:
            member.breaker.adopt(policy)


def _policy(breaker: Breaker | None) -> BreakerPolicy | None:
    if breaker is None:
        return None
    return BreakerPolicy(
        window=breaker.window_seconds,
        minimum=breaker.minimum,
        ratio=breaker.ratio,
        rest=breaker.rest_seconds,
        probes=breaker.probes,
    )

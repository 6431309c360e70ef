"""Capabilities and routes as requests meet them: everything that can be known before is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from strangler_proxy import config
from strangler_proxy.auth.identity import lacks
from strangler_proxy.cohorts import KeySource
from strangler_proxy.config import Demand, Mirror, Phase
from strangler_proxy.decision import Reason, Side
from strangler_proxy.document.checks import MOVED
from strangler_proxy.errors import Refusal


class Outcome(NamedTuple):
    """A side, its upstream, and whom to ask when that is unavailable."""

    side: Side
    upstream: str
    alternative: str | None
    reason: Reason


class CompiledCapability:
    """A capability as requests meet it. ``percent`` is -1 outside a canary."""

    __slots__ = (
        *("epoch", "held", "name", "percent", "phase", "settled", "settings", "wishes"),
        *("_in", "_keyless", "_out"),
    )

    def __init__(self, name: str, settings: config.Capability, *, own_database: bool) -> None:
        phase = settings.phase
        self.name = name
        self.settings = settings
        self.phase = phase.value
        self.epoch = settings.epoch
        self.held = settings.held
        self.percent = settings.percent if phase is Phase.CANARY else -1
        moved = phase in MOVED
        service = settings.service or ""
        # Only while the monolith has the authority may it stand in for the service.
        self._in = Outcome(
            Side.SERVICE, service, None if moved else settings.monolith, Reason.COHORT
        )
        self._out = Outcome(Side.MONOLITH, settings.monolith, None, Reason.COHORT)
        self._keyless = {
            True: self._in._replace(reason=Reason.NO_KEY),
            False: self._out._replace(reason=Reason.NO_KEY),
        }
        self.settled = (self._in if moved else self._out)._replace(reason=Reason.PHASE)
        self.wishes = self._wishes(own_database=own_database)

    def canary(self, is_in: bool, bucket: int) -> Outcome:
        """The side of a bucket; -1 is a request without key."""
        if bucket < 0:
            return self._keyless[is_in]
        return self._in if is_in else self._out

    def _wishes(self, *, own_database: bool) -> Mapping[bytes, Outcome | Refusal]:
        """What a tester may ask for. Never against the authority, and never silently ignored.

        409: the request is right and may succeed in another phase. A tester's request has no
        alternative: an answer of the other side would mislead.
        """
        wished = Reason.OVERRIDE
        service: Outcome | Refusal = self._in._replace(reason=wished, alternative=None)
        monolith: Outcome | Refusal = self._out._replace(reason=wished)
        if self.settled.side is Side.SERVICE:
            monolith = _refuse_wish(f"{self.name} is {self.phase}: the monolith may not answer.")
        elif self.settings.service is None:
            service = _refuse_wish(f"{self.name} has no service yet.")
        elif own_database:
            service = _refuse_wish(
                f"The service of {self.name} is bound to its own database, which is not"
                f" authoritative in phase {self.phase}."
            )
        return {b"service": service, b"monolith": monolith}


def _refuse_wish(detail: str) -> Refusal:
    return Refusal(409, "side_unavailable", detail)


class CompiledRoute:
    """A route as requests meet it; ``settings`` is what the document says.

    ``asks``: credentials are looked at; ``demands``: there must be some. ``strips``: the upstream
    gets the path without the prefix. ``mirrored``: the methods of which copies are sent.
    """

    __slots__ = (
        *("asks", "capability", "demands", "index", "methods", "mirror", "mirrored"),
        *("mirrored_sides", "name", "prefix", "reason", "scopes", "scopes_missing"),
        *("settings", "side", "sticky", "strips", "upstream"),
    )

    def __init__(
        self, index: int, settings: config.Route, capability: CompiledCapability | None
    ) -> None:
        self.index = index
        self.name = settings.name
        self.settings = settings
        self.capability = capability
        self.prefix = _key(settings)
        self.methods = tuple(method.encode() for method in settings.methods)
        self.upstream = settings.upstream or ""
        self.side = Side.DIRECT if settings.upstream else Side.ANSWER
        self.reason = Reason.UPSTREAM if settings.upstream else Reason.ANSWER
        self.asks = settings.authentication is not Demand.NONE
        self.demands = settings.authentication is Demand.REQUIRED
        self.scopes = frozenset(settings.scopes)
        self.scopes_missing = lacks(settings.scopes)
        self.sticky = tuple(KeySource(text) for text in settings.sticky)
        rules = settings.request
        self.strips = rules is not None and rules.prefix == "/"
        self.mirror, self.mirrored_sides = _mirror_of(settings, capability)
        methods = self.mirror.methods if self.mirror is not None else ()
        self.mirrored = frozenset(method.encode() for method in methods)


def _key(settings: config.Route) -> bytes:
    """The prefix as it is looked up: ``/`` as prefix is the empty one before every slash."""
    prefix = settings.prefix.encode()
    return b"" if prefix == b"/" and not settings.exact else prefix


def _mirror_of(
    settings: config.Route, capability: CompiledCapability | None
) -> tuple[Mirror | None, tuple[Side, ...]]:
    """The mirror, and whose requests it copies.

    In the phases shadow and canary the capability's mirror comes before the route's own, and gets
    what the monolith answers.
    """
    if capability is not None and capability.settings.phase in (Phase.SHADOW, Phase.CANARY):
        shadow = capability.settings.mirror
        if shadow is not None:
            return shadow, (Side.MONOLITH,)
    return settings.mirror, (Side.MONOLITH, Side.SERVICE)

"""``diff``: what was compared, in what the two sides differ, and what of it shall not count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from modules.extraction.actors import acting
from modules.extraction.modules_here import check_movable
from modules.extraction.shadowing.differences import (
    Fingerprint,
    Summary,
    fingerprints_since,
    listed,
    summary,
)
from modules.extraction.shadowing.errors import NoSuchFingerprint, OutOfRange
from modules.extraction.shadowing.invariants import Broken, broken_of
from modules.extraction.shadowing.judging import State
from modules.extraction.shadowing.models import Difference, Ignored
from modules.extraction.shadowing.working import round_of, shadow_of
from modules.extraction.steps import Ask, alone_on_record

_ORDER = {State.OPEN: 0, State.IGNORED: 1, State.NOISE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """All pairs since ``since``, in what they differ, and rules of the module that are broken.

    ``percent`` of the reads are mirrored now; ``late`` is what could not be asked.
    """

    module: str
    since: datetime
    percent: int
    pairs: Summary
    compared: int
    fingerprints: tuple[Fingerprint, ...]
    broken: tuple[Broken, ...] = ()
    late: tuple[str, ...] = ()

    @property
    def has_differences(self) -> bool:
        is_broken = any(one.keys for one in self.broken)
        return is_broken or any(one.state is State.OPEN for one in self.fingerprints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One fingerprint and until when it does not count."""

    module: str
    fingerprint: str
    until: datetime
    reason: str


def diff(module: str, *, since: datetime | None = None) -> Differences:
    """Compare what is recorded by now, then say what there is; since shadowing began by default.

    Raises NoSuchModule, NotExtractable.
    """
    check_movable(module)
    late = round_of(module).late
    shadow = shadow_of(module)
    began = since or (shadow.since if shadow else datetime.now(UTC))
    pairs = summary(module, began)
    marks = fingerprints_since(module, began)
    rows = Difference.objects.filter(module=module, fingerprint__in=marks)
    found = sorted(listed(module, rows), key=lambda one: (_ORDER[one.state], -one.count))
    return Differences(
        module=module,
        since=began,
        percent=shadow.percent if shadow else 0,
        pairs=pairs,
        compared=pairs.compared,
        fingerprints=tuple(found),
        broken=broken_of(module),
        late=late,
    )


def ignore(ask: Ask, fingerprint: str, until: datetime) -> Rule:
    """Let a difference not count until then, on record; a moment that has passed ends the rule.

    Raises NoSuchFingerprint, ReasonMissing, ControllerBusy.
    """
    ask.check()
    if not Difference.objects.filter(module=ask.module, fingerprint=fingerprint).exists():
        raise NoSuchFingerprint(module=ask.module, fingerprint=fingerprint)
    if until.tzinfo is None:
        raise OutOfRange(what="--until", said=str(until), need="a moment with its zone")
    if not ask.dry_run:
        with alone_on_record(ask, "diff") as step:
            step.facts |= {"ignore": fingerprint, "until": until.isoformat()}
            Ignored.objects.update_or_create(
                module=ask.module,
                fingerprint=fingerprint,
                defaults={"until": until, "reason": ask.reason, "actor": acting()},
            )
    return Rule(module=ask.module, fingerprint=fingerprint, until=until, reason=ask.reason)


def assign(ask: Ask, fingerprint: str, owner: str) -> Fingerprint:
    """Write down who looks after a difference. Raises as ``ignore`` does."""
    ask.check()
    rows = Difference.objects.filter(module=ask.module, fingerprint=fingerprint)
    if not rows.exists():
        raise NoSuchFingerprint(module=ask.module, fingerprint=fingerprint)
    if not ask.dry_run:
        with alone_on_record(ask, "diff") as step:
            step.facts |= {"fingerprint": fingerprint, "owner": owner}
            rows.update(owner=owner[:100])
    return listed(ask.module, rows)[0]

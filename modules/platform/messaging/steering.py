"""Deliveries changed by hand. Each change needs a reason and leaves a row in ``bus_audit``."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from modules.platform.contracts import current_context
from modules.platform.databases import atomic
from modules.platform.messaging import parking
from modules.platform.messaging.database import execute, rows
from modules.platform.messaging.errors import NoSuchLetter, ReasonRequired
from modules.platform.messaging.handling import lock_part
from modules.platform.messaging.wire import Receipt

log = structlog.get_logger(__name__)

_AUDIT = "INSERT INTO bus_audit (actor, verb, target, reason, changed) VALUES (%s, %s, %s, %s, %s)"
_CHOOSE = """
SELECT id, source, part, key, state FROM bus_parked
WHERE state = ANY (%(states)s)
  AND (%(ids)s::bigint[] IS NULL OR id = ANY (%(ids)s::bigint[]))
  AND (%(fingerprint)s::text IS NULL OR fingerprint = %(fingerprint)s)
  AND (%(key)s::text IS NULL OR key = %(key)s)
  AND (%(source)s::text IS NULL OR source = %(source)s)
ORDER BY source, part, position
"""
_RETRY = """
UPDATE bus_parked SET state = 'retry', attempts = 0, next_at = clock_timestamp(),
                      reason = %s, actor = %s
WHERE id = %s AND state IN ('dead', 'manual', 'retry')
"""
_SETTLE = """
UPDATE bus_parked SET state = 'resolved', resolution = %s, reason = %s, actor = %s,
                      next_at = NULL, resolved_at = clock_timestamp()
WHERE id = %s AND state <> 'resolved'
"""
_RESTART = "UPDATE bus_cursor SET pos = %s WHERE consumer = %s AND source = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which parked events of ``consumer``: all, or those that fit every field given."""

    consumer: str
    ids: tuple[int, ...] | None = None
    fingerprint: str | None = None
    key: str | None = None
    source: str | None = None

    def __str__(self) -> str:
        given = {"ids": self.ids, "fingerprint": self.fingerprint, "key": self.key}
        chosen = [f"{name}={value}" for name, value in given.items() if value is not None]
        return " ".join([f"{self.source or '*'}->{self.consumer}", *chosen])


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """What was done: ``changed`` events or positions."""

    verb: str
    target: str
    changed: int
    dry_run: bool = False


def retry(selection: Selection, *, reason: str, actor: str = "", dry_run: bool = False) -> Steered:
    """Have the worker try the failed events anew, with all their retries.

    Raises ReasonRequired and NoSuchLetter, as the others do.
    """
    return _change("retry", selection, reason, actor, dry_run, ("dead", "manual", "retry"))


def skip(selection: Selection, *, reason: str, actor: str = "", dry_run: bool = False) -> Steered:
    """Give the failed events up; what waits behind them goes on."""
    return _change("skip", selection, reason, actor, dry_run, ("dead", "manual", "retry"))


def resolve(
    selection: Selection, *, reason: str, actor: str = "", dry_run: bool = False
) -> Steered:
    """Say that what the failed events ask for was done by hand; what waits goes on."""
    return _change("resolve", selection, reason, actor, dry_run, ("dead", "manual", "retry"))


def hold(selection: Selection, *, reason: str, actor: str = "", dry_run: bool = False) -> Steered:
    """Take the failed events out of all retries: a person works on them."""
    return _change("hold", selection, reason, actor, dry_run, ("dead", "retry"))


def replay(selection: Selection, *, reason: str, actor: str = "", dry_run: bool = False) -> Steered:
    """Try the failed events here and now, in order, each followed by what waits behind it."""
    done = _change("retry", selection, reason, actor, dry_run, ("dead", "manual", "retry"))
    if not dry_run:
        parking.retry_due(selection.consumer, limit=max(done.changed, 1))
    return Steered(verb="replay", target=done.target, changed=done.changed, dry_run=dry_run)


def restart(
    consumer: str,
    source: str,
    *,
    position: int,
    reason: str,
    actor: str = "",
    dry_run: bool = False,
) -> Steered:
    """Have ``consumer`` get everything of ``source`` after ``position`` again, as far as retained.

    For rebuilding what is derived from events: its handlers run again for each of them.
    Both must be in this host.
    """
    from modules.platform.messaging.subscriptions import acknowledge

    if not reason.strip():
        raise ReasonRequired("replay")
    target = f"{source}->{consumer} from={position}"
    parts = rows(source, "SELECT part FROM bus_subscription WHERE consumer = %s", [consumer])
    if not parts:
        raise NoSuchLetter(f"{consumer} does not hear {source}.")
    if not dry_run:
        with atomic(consumer):
            execute(consumer, _RESTART, [position, consumer, source])
            _audit(consumer, "restart", target, reason, actor, len(parts))
        for (part,) in parts:
            acknowledge(
                Receipt(source=source, consumer=consumer, part=part, pos=position, rewind=True)
            )
    return Steered(verb="replay", target=target, changed=len(parts), dry_run=dry_run)


def _change(
    verb: str,
    selection: Selection,
    reason: str,
    actor: str,
    dry_run: bool,
    states: tuple[str, ...],
) -> Steered:
    if not reason.strip():
        raise ReasonRequired(verb)
    chosen = _chosen(selection, states)
    if not chosen:
        raise NoSuchLetter(f"nothing is parked for {selection} that {verb} could change.")
    if not dry_run:
        who = actor or current_context().actor.label or "console"
        for letter, source, part, key, _ in chosen:
            _one(verb, selection.consumer, letter, (source, part, key), reason, who)
        _audit(selection.consumer, verb, str(selection), reason, who, len(chosen))
    return Steered(verb=verb, target=str(selection), changed=len(chosen), dry_run=dry_run)


def _chosen(selection: Selection, states: tuple[str, ...]) -> list[tuple[int, str, int, str, str]]:
    found = rows(
        selection.consumer,
        _CHOOSE,
        {
            "states": list(states),
            "ids": None if selection.ids is None else list(selection.ids),
            "fingerprint": selection.fingerprint,
            "key": selection.key,
            "source": selection.source,
        },
    )
    return [(letter, source, part, key, state) for letter, source, part, key, state in found]


def _one(
    verb: str, consumer: str, letter: int, place: tuple[str, int, str], reason: str, actor: str
) -> None:
    source, part, key = place
    with atomic(consumer):
        lock_part(consumer, source, part)
        if verb == "retry":
            execute(consumer, _RETRY, [reason, actor, letter])
        elif verb == "hold":
            execute(consumer, _HOLD, [reason, actor, letter])
        else:
            execute(consumer, _SETTLE, [_RESOLUTIONS[verb], reason, actor, letter])
            parking.promote(consumer, source, part, key)


_RESOLUTIONS = {"skip": "skipped", "resolve": "done by hand"}
_HOLD = """
UPDATE bus_parked SET state = 'manual', next_at = NULL, reason = %s, actor = %s
WHERE id = %s AND state IN ('dead', 'retry')
"""


def _audit(consumer: str, verb: str, target: str, reason: str, actor: str, changed: int) -> None:
    who = actor or current_context().actor.label or "console"
    execute(consumer, _AUDIT, [who, verb, target, reason, changed])
    log.info("bus.steered", verb=verb, target=target, reason=reason, actor=who, changed=changed)

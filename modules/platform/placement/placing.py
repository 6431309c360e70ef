"""Placing a module: the use case behind the command and the admin's action."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from django.conf import settings

from modules.platform.contracts import current_context
from modules.platform.discovery import Role, registry
from modules.platform.messaging.carrier import carrier, service_queues_of
from modules.platform.placement import table
from modules.platform.placement.buckets import BUCKETS
from modules.platform.placement.doors import AUTHORITY_THERE, Door, Standing, doors
from modules.platform.placement.errors import (
    DataHasMoved,
    DoorHasNoService,
    NobodyTakesEvents,
    NobodyThere,
    NoSuchModule,
    NotExtractable,
    PercentOutOfRange,
    ReasonMissing,
)
from modules.platform.placement.installing import placeable_modules
from modules.platform.placement.placed import HERE, Placed

log = structlog.get_logger(__name__)

SHORTEST_REASON, LONGEST_REASON = 3, 500  # characters, as for dropping an instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done, or with ``dry_run`` would be. ``doors``: what each front door says to it."""

    module: str
    before: Placed
    after: Placed
    instances: int
    doors: tuple[Standing, ...]
    dry_run: bool = False

    @property
    def has_differences(self) -> bool:
        """Whether a front door does not go by the table yet."""
        return not self.dry_run and any(not one.follows for one in self.doors)


def place(
    module: str,
    *,
    percent: int,
    reason: str,
    expected: int | None = None,
    dry_run: bool = False,
) -> Change:
    """Have the service do ``percent`` of ``module``'s work, from the next call, batch and request.

    First all that speaks against it is looked for, and nothing is changed; then the table is
    changed, by which calls and queues go; then the front doors are told. One that is away does not
    stand in the way: it follows when it is back, and until then sends requests where they were
    answered before, which is still right. The same share again changes no row and leaves no log.

    Raises the errors of ``placement.errors``.
    """
    check(module, percent, reason)
    live = registry.live(module)
    origin = [one for one in live if one.role is Role.ORIGIN]
    if percent and not origin:
        raise NobodyThere(module=module, others=len(live))
    if percent:
        _check_workers(module)
    known = doors()
    for door in known:
        _check_door(door, module, percent)
    if dry_run:
        before = table.placements().get(module, HERE)
        after = Placed(percent=percent, revision=before.revision)
    else:
        before, after = table.swap(
            module, percent=percent, actor=_actor(), reason=reason.strip(), expected=expected
        )
        if before != after:
            log.warning(
                "placement.placed", module=module, frm=before.percent, to=percent, by=_actor()
            )
    stands = lambda: table.placements().get(module, HERE)  # noqa: E731
    told = tuple(
        door.standing(module, after) if dry_run else door.follow(module, stands) for door in known
    )
    return Change(
        module=module,
        before=before,
        after=after,
        instances=len(origin),
        doors=told,
        dry_run=dry_run,
    )


def check(module: str, percent: int, reason: str) -> None:
    """Refuse what can never be. Raises the first error that there is."""
    known = placeable_modules()
    if module not in settings.FICUS_MODULES:
        raise NoSuchModule(module=module, known=known)
    if module not in known:
        raise NotExtractable(module=module, known=known)
    if not 0 <= percent <= BUCKETS:
        raise PercentOutOfRange(percent=percent)
    if not SHORTEST_REASON <= len(reason.strip()) <= LONGEST_REASON:
        raise ReasonMissing(shortest=SHORTEST_REASON, longest=LONGEST_REASON)


def _check_workers(module: str) -> None:
    for queue in service_queues_of(module):
        trouble = ""
        try:
            if carrier().has_worker(queue):
                continue
        except Exception as error:  # whatever a broker's client raises
            trouble = str(error).partition("\n")[0] or repr(error)
        raise NobodyTakesEvents(module=module, queue=queue, trouble=trouble)


def _check_door(door: Door, module: str, percent: int) -> None:
    standing = door.standing(module, HERE)
    if standing.phase in AUTHORITY_THERE:
        raise DataHasMoved(module=module, phase=standing.phase)
    if percent and standing.is_known and not standing.service:
        raise DoorHasNoService(module=module, door=door.url)


def _actor() -> str:
    actor = current_context().actor
    return (actor.label or actor.id or "console")[:200]

"""``shadow``: a share of the module's reads is asked of the service too, and compared; or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
from django.db.models import Q

from modules.extraction import facts, standings
from modules.extraction.actors import acting
from modules.extraction.errors import WrongPhase
from modules.extraction.guards import Guard
from modules.extraction.moves import move_of
from modules.extraction.phases import Standing
from modules.extraction.protocol import ProtocolError
from modules.extraction.protocol.recording import arm, disarm
from modules.extraction.reports import Report
from modules.extraction.routing.doors import front_doors
from modules.extraction.shadowing import mirrors
from modules.extraction.shadowing.collecting import forget_files
from modules.extraction.shadowing.models import Asked, Shadow
from modules.extraction.shadowing.retaining import forget
from modules.extraction.shadowing.working import SHADOWED, round_of
from modules.extraction.steps import Ask, alone_on_record
from modules.platform.discovery import Role
from modules.platform.placement.errors import PercentOutOfRange

LEARN = 30.0  # seconds of every ten minutes
# Front door and database may have clocks of their own; pairs of the second before are left out.
SKEW = timedelta(seconds=1)


def shadow(
    ask: Ask,
    *,
    percent: int,
    commands: int = 0,
    learn: float = LEARN,
    show: tuple[str, ...] = (),
    owner: str = "",
) -> Report:
    """Mirror ``percent`` of the module's reads, and ask so many percent of its ``commands`` again,
    dry; with 0 and 0 it ends, and what was found is kept.

    Raises WrongPhase outside shadow and canary, PercentOutOfRange, and what ``Ask.check`` raises.
    """
    for share in (percent, commands):
        if not 0 <= share <= 100:
            raise PercentOutOfRange(percent=share)
    ask.check()
    before = standings.standing_of(ask.module)
    if percent == commands == 0:
        return _off(ask, before)
    if before.phase not in SHADOWED:
        possible = standings.possible(before.phase)
        raise WrongPhase(
            module=ask.module, phase=before.phase.value, verb="shadow", possible=possible
        )
    guards = _guards(ask.module) if percent else ()
    if ask.dry_run or not all(one.passes for one in guards):
        return _report(ask, before, guards, would=(_reads(percent), _commands(commands)))
    with alone_on_record(ask, "shadow") as step:
        row = _written(ask, percent, commands, learn, show, owner)
        late = [
            *_not_mirrored(ask.module, percent),
            *_recording(ask.module, is_on=bool(commands)),
            *round_of(ask.module).late,
        ]
        did = (
            *(_reads(percent), _commands(commands)),
            *(
                (f"ask the monolith twice for {row.learn_seconds:g} s of ten minutes",)
                * bool(learn)
            ),
            *(f"later: {one}" for one in late),
        )
        step.facts |= {
            "percent": percent,
            "commands": commands,
            "learn": learn,
            "show": list(show),
            "did": list(did),
        }
    return _report(ask, before, guards, did=did, late=len(late))


def stop_shadowing(module: str) -> list[str]:
    """Nothing of it is left: front doors, recorded pairs, rows; what could not be undone."""
    if not Shadow.objects.filter(module=module).exists():
        forget(module)
        return []
    with front_doors() as doors:
        late = mirrors.untell(doors, module)
        forget_files(mirrors.places_of(doors, module)[0])
    forget(module)
    return late


def _off(ask: Ask, before: Standing) -> Report:
    if ask.dry_run:
        return _report(ask, before, (), would=("mirror no reads any more",))
    with alone_on_record(ask, "shadow") as step:
        round_of(ask.module)  # what is recorded by now still counts
        with front_doors() as doors:
            late = mirrors.untell(doors, ask.module)
            forget_files(mirrors.places_of(doors, ask.module)[0])
        late += _recording(ask.module, is_on=False)
        Asked.objects.filter(module=ask.module).delete()
        Shadow.objects.filter(module=ask.module).update(
            percent=0, commands=0, actor=acting(), reason=ask.reason
        )
        did = ("mirror no reads any more", *(f"later: {one}" for one in late))
        step.facts |= {"percent": 0, "did": list(did)}
    return _report(ask, before, (), did=did, late=len(late))


def _reads(percent: int) -> str:
    return f"mirror {percent} % of its reads to instances with their own database"


def _commands(percent: int) -> str:
    return f"repeat {percent} % of its commands, dry, on both sides"


def _recording(module: str, *, is_on: bool) -> list[str]:
    """Both databases record commands, or do not any more; why that cannot be yet."""
    try:
        move = move_of(module)
    except WrongPhase:  # nothing was created
        return []
    try:
        arm(move) if is_on else disarm(move)
    except (ProtocolError, psycopg.Error) as error:
        what = "record commands" if is_on else "record commands no more"
        return [f"{what}: {str(error).strip()}"]
    return []


def _not_mirrored(module: str, percent: int) -> list[str]:
    """Who could not be told that reads are not mirrored, where they are not."""
    if percent:
        return []
    with front_doors() as doors:
        return mirrors.untell(doors, module)


def _written(
    ask: Ask, percent: int, commands: int, learn: float, show: tuple[str, ...], owner: str
) -> Shadow:
    """A share that only changes goes on counting; what was off begins anew."""
    now = datetime.now(UTC)
    said = {
        "percent": percent,
        "commands": commands,
        "learn_seconds": learn,
        "shown": sorted(show),
        "owner": owner,
        "actor": acting(),
        "reason": ask.reason,
    }
    is_on = Q(percent__gt=0) | Q(commands__gt=0)
    if not Shadow.objects.filter(is_on, module=ask.module).exists():
        said["since"] = now - SKEW
    row, _ = Shadow.objects.update_or_create(module=ask.module, defaults=said)
    return row


def _guards(module: str) -> tuple[Guard, ...]:
    own = facts.live_instances(module, Role.OWN)
    away = facts.doors_away(module)
    with front_doors() as doors:
        count = len(doors)
    return (
        Guard(
            name="instances with their own database",
            have=str(own),
            need="1 or more",
            passes=own > 0,
        ),
        Guard(name="front doors", have=str(count), need="1 or more", passes=count > 0),
        Guard(
            name="front doors that are away",
            have=", ".join(away) or "none",
            need="none",
            passes=not away,
        ),
    )


def _report(
    ask: Ask,
    standing: Standing,
    guards: tuple[Guard, ...],
    *,
    did: tuple[str, ...] = (),
    would: tuple[str, ...] = (),
    late: int = 0,
) -> Report:
    is_fine = all(one.passes for one in guards)
    follows = f"manage.py strangler watch {ask.module} compares; diff {ask.module} shows it"
    return Report(
        module=ask.module,
        verb="shadow",
        before=standing,
        after=standing,
        guards=guards,
        dry_run=ask.dry_run,
        would=would if is_fine and ask.dry_run else (),
        did=did,
        next_step=follows if did else "the same without --dry-run" if is_fine else "",
        differences=late,
    )

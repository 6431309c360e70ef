"""``cutover`` and ``rollback``: the authority goes to the service's database, or comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from django.db import Error as DatabaseFault

from modules.extraction import facts, protocol, receipts, standings
from modules.extraction.auditing import Recorded
from modules.extraction.canarying import put_share
from modules.extraction.errors import NotFinished, Undecided, Unsettled
from modules.extraction.guards import Facts, Guard
from modules.extraction.leveling import leveled
from modules.extraction.moves import move_of
from modules.extraction.phases import Phase, Transition
from modules.extraction.protocol import Move, ProtocolError, SwapReceipt
from modules.extraction.reports import Report
from modules.extraction.routing.doors import DoorAway
from modules.extraction.routing.switching import Switch, switching
from modules.extraction.steps import Ask, Change, Done, changed
from modules.platform.contracts import ContractError
from modules.platform.databases import begin_anew
from modules.platform.discovery import Role
from modules.platform.placement.placed import HERE
from modules.platform.placement.table import placements
from modules.platform.resilience import Deadline

# The steps at which the commit point is still to come.
UNDECIDED = frozenset({"held", "fenced", "drained"})
_SWAPS: dict[Transition, Callable[..., SwapReceipt]] = {
    Transition.CUTOVER: protocol.cutover,
    Transition.ROLLBACK: protocol.rollback,
}


def cutover(ask: Ask) -> Report:
    """Give the module's data to its service.

    ``ask.timeout`` is for all that comes before the commit point; from there it is done, and what
    of the rest fails is said in the report. Raises the protocol's errors (the monolith still has
    it, and commands go on there), DoorAway, OutOfTime with what was reached, and Unsettled when
    databases were lost at the commit point or after it.
    """
    deadline = ask.deadline()
    return changed(
        ask,
        Change(
            by=Transition.CUTOVER,
            facts=lambda: _before_cutover(ask),
            would=(
                "let commands wait at the front doors",
                "fence the monolith, bring the last changes, hand the authority over",
                "send requests, calls and events to the service, the held commands first",
            ),
            work=lambda step, done: _cut_over(ask, step, done, deadline),
            next_step=f"manage.py strangler watch {ask.module} keeps the way back short; "
            f"rollback {ask.module} takes it",
        ),
    )


def rollback(ask: Ask) -> Report:
    """One step back: the data to the monolith with all later writes, or the share of a canary.

    Raises as ``cutover`` does; the service then still has it.
    """
    deadline = ask.deadline()
    return changed(
        ask,
        Change(
            by=Transition.ROLLBACK,
            facts=lambda: _before_rollback(ask.module),
            would=("bring the work back to the monolith, and with the data all later writes",),
            work=lambda step, done: _roll_back(ask, step, done, deadline),
            next_step=f"manage.py strangler verify {ask.module}, then cutover again or cancel",
        ),
    )


def _before_cutover(ask: Ask) -> Facts:
    module, standing = ask.module, standings.standing_of(ask.module)
    if standing.phase not in (Phase.SHADOW, Phase.CANARY):
        return Facts()  # refused by its phase, which says more
    move = move_of(module)
    if not ask.dry_run:
        # Partitions that have been made since the last look of a watch are no reason to refuse. If
        # they cannot be made here, the guard says in what the structures differ.
        with suppress(psycopg.Error, ProtocolError):
            leveled(move, standing)
    return Facts(
        contract=facts.contract_trouble(module),
        migrations=facts.migrations_trouble(move),
        own_instances=facts.live_instances(module, Role.OWN),
        doors_away=facts.doors_away(module),
        protocol=_preflight(move, levels_first=ask.dry_run),
    )


def _before_rollback(module: str) -> Facts:
    if standings.standing_of(module).phase is not Phase.EXTRACTED:
        return Facts(migrations="")
    return Facts(migrations=facts.migrations_trouble(move_of(module)))


def _preflight(move: Move, *, levels_first: bool) -> tuple[Guard, ...]:
    """What the data half looks at; its migrations are the module's only, ours are all."""
    try:
        checks = protocol.preflight(move, levels_first=levels_first)
    except (ProtocolError, psycopg.Error) as error:
        have = str(error).strip().partition("\n")[0]
        return (Guard(name="both databases", have=have, need="answer", passes=False),)
    return tuple(
        Guard(name=one.name, have=one.have, need=one.need, passes=one.ok)
        for one in checks
        if one.name != "migrations"
    )


def _cut_over(ask: Ask, step: Recorded, done: Done, deadline: Deadline) -> None:
    # A canary's, or one that somebody has placed by hand.
    share = placements().get(ask.module, HERE).percent
    if not share:
        _swap(ask, step, done, deadline, Transition.CUTOVER)
        return
    # Its instances work on the monolith's data, which is about to be nobody's.
    put_share(ask, 0, done)
    try:
        _swap(ask, step, done, deadline, Transition.CUTOVER)
    except Unsettled:  # it may have changed hands: the share would be of nobody's data
        raise
    except BaseException:
        # Nothing has changed hands, or placing says that it has.
        with suppress(ContractError, DatabaseFault):
            put_share(ask, share, done)
        raise


def _roll_back(ask: Ask, step: Recorded, done: Done, deadline: Deadline) -> None:
    if standings.standing_of(ask.module).phase is Phase.CANARY:
        put_share(ask, 0, done)
        return
    _swap(ask, step, done, deadline, Transition.ROLLBACK)


def _swap(ask: Ask, step: Recorded, done: Done, deadline: Deadline, by: Transition) -> None:
    """Hold, fence, hand over, give; within the time there is."""
    move, swap = move_of(ask.module), _SWAPS[by]
    with _in_time(ask, by, deadline):
        patience = deadline.remaining()
        with switching(move, by, reason=ask.reason, patience=patience) as switch:

            def heard(at: str) -> None:
                if at in UNDECIDED:
                    ask.in_time(deadline, by.value, f"{at}, and let go again")
                switch.heard(at)

            try:
                receipt = swap(move, by=deadline.at, watch=heard)
                _finish(step, done, by.value, receipt, switch)
            except (Exception, KeyboardInterrupt) as error:
                if isinstance(error, KeyboardInterrupt):
                    begin_anew()
                if not _has_swapped(switch, by, error):
                    raise
                _leave_open(done, by, switch, error)


@contextmanager
def _in_time(ask: Ask, by: Transition, deadline: Deadline) -> Iterator[None]:
    """What fails because the time is up is OutOfTime. After the commit point nothing is."""
    try:
        yield
    except (ProtocolError, DoorAway, TimeoutError) as error:
        ask.in_time(deadline, by.value, str(error))
        raise


def _has_swapped(switch: Switch, by: Transition, error: BaseException) -> bool:
    """Whether it is done in spite of ``error``. Raises Undecided."""
    try:
        return switch.has_swapped()
    except psycopg.Error as away:
        raise Undecided(module=switch.move.module, verb=by.value, why=_line(error)) from away


def _leave_open(done: Done, by: Transition, switch: Switch, error: BaseException) -> None:
    """It is committed: say so and write it down. Its step stays open, and so it is finished by
    whoever watches, or by ``doctor``: the other side told, the front doors, the receipt.

    Raises NotFinished when it cannot be written down.
    """
    why = _line(error)
    try:
        done.epoch = switch.pass_on()
    except (psycopg.Error, DatabaseFault) as away:
        raise NotFinished(module=switch.move.module, verb=by.value, why=why) from away
    whose = "service" if switch.to_service else "monolith"
    done.did.append(f"the {whose} has the authority, epoch {done.epoch}")
    done.late, done.unfinished = len(switch.late), why


def _line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or repr(error)


def _finish(step: Recorded, done: Done, kind: str, swap: SwapReceipt, switch: Switch) -> None:
    receipt = receipts.issue(step.row, kind, swap)
    done.epoch = swap.epoch
    whose = "service" if switch.to_service else "monolith"
    rows = sum(one.source_count for one in swap.digests)
    done.did += [
        f"the {whose} has the authority since {swap.committed_at:%Y-%m-%d %H:%M:%S.%f}, "
        f"epoch {swap.epoch}",
        f"writes waited {swap.pause_ms:.1f} ms, behind the fence {swap.fence_ms:.1f} ms",
        f"{rows:,} rows in {len(swap.digests)} tables are the same on both sides",
        f"receipt {receipt.pk}: manage.py strangler log {step.row.module} --receipts",
    ]
    done.did += [f"a front door is late, doctor tells it again: {one}" for one in switch.late]
    done.late = len(switch.late)
    step.facts |= {
        "receipt": receipt.pk,
        "pause_ms": round(swap.pause_ms, 3),
        "fence_ms": round(swap.fence_ms, 3),
    }

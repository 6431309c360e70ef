"""``retire``: the monolith parts from its copy of a module for good. Archived first, then dropped.

Each step is found again by what it has left, so the same command goes on wherever it was killed:

    archive     FICUS_HOME/archives/<module>-<epoch>-<time>.tar, verified before it has this name
    receipt     signed, with the archive's checksum
    drop        one transaction in the monolith: tables, guards and streams out, a tombstone in
    release     capture and guards out of the service's database
    standing    retired
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modules.extraction import receipts, standings
from modules.extraction.auditing import Recorded
from modules.extraction.blueprints import Unwritable
from modules.extraction.drilling.room import size as size_of
from modules.extraction.models import Step
from modules.extraction.moves import move_of
from modules.extraction.phases import Phase, Transition
from modules.extraction.protocol import Move, compare
from modules.extraction.protocol.controlling import Controller
from modules.extraction.protocol.granting import tell
from modules.extraction.protocol.sides import SERVICE, connect
from modules.extraction.reports import Report
from modules.extraction.retiring import crashing, looking
from modules.extraction.retiring.archiving import archive, sha256_of
from modules.extraction.retiring.dropping import drop
from modules.extraction.retiring.leavings import KIND, finish, forget_unfinished
from modules.extraction.retiring.manifest import Manifest
from modules.extraction.retiring.verifying import (
    Unreadable,
    manifest_of,
    verify,
    verify_rows,
)
from modules.extraction.routing.doors import front_doors
from modules.extraction.routing.switching import told
from modules.extraction.shadowing.switching import stop_shadowing
from modules.extraction.steps import Ask, Change, Done, changed
from modules.platform.console import CommandFailed

AFTER = timedelta(days=7)  # a rollback that nobody has needed for so long is not needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A verified archive, and who says so."""

    path: Path
    sha256: str
    manifest: Manifest
    receipt: int


def retire(ask: Ask, *, after: timedelta = AFTER) -> Report:
    """Archive and drop the monolith's copy; from then on there is no way back but the archive.

    Raises CommandFailed when the archive cannot be written or does not read back, the protocol's
    errors and psycopg's: nothing is dropped then.
    """
    ask.check()
    return changed(
        ask,
        Change(
            by=Transition.RETIRE,
            facts=lambda: looking.found(ask.module, after),
            would=_would(ask) if ask.dry_run else (),
            work=lambda step, done: _retire(ask, step, done),
            next_step=f"start the monolith with RETIRED_MODULES={ask.module}",
        ),
    )


def _would(ask: Ask) -> tuple[str, ...]:
    if standings.standing_of(ask.module).phase is not Phase.EXTRACTED:
        return ()  # refused by its phase
    move = move_of(ask.module)
    if looking.buried(move) is not None:
        return ("finish what was begun: the monolith's copy is dropped already",)
    rows = sum(one.source_count for one in compare(move))
    size = size_of(ask.module)[1]
    return (
        f"archive {rows:,} rows in {len(move.tables)} tables ({size / 1e6:.1f} MB unpacked) in "
        f"{looking.archives_folder()}, and read it back",
        "drop the monolith's tables, guards and streams in one transaction",
        "take capture and guards out of the service's database",
    )


def _retire(ask: Ask, step: Recorded, done: Done) -> None:
    move = move_of(ask.module)
    if looking.buried(move) is None:
        try:
            _part(ask, move, step, done)
        except (OSError, Unreadable, Unwritable) as error:
            raise CommandFailed(
                f"nothing is dropped, because the archive cannot be written: {error}"
            ) from error
    stone = looking.buried(move)
    assert stone is not None  # noqa: S101 - it has just been dropped, or was before
    done.epoch = stone.epoch
    finish(ask.module)
    done.did.append("took capture and guards out of the service's database")
    with front_doors() as doors:
        late = told(doors, ask.module, stone.epoch, to_service=True)
    done.did += [f"a front door is late, doctor tells it again: {one}" for one in late]
    done.late = len(late)
    done.did.extend(f"later: {one}" for one in stop_shadowing(ask.module))


def _part(ask: Ask, move: Move, step: Recorded, done: Done) -> None:
    """Nobody else can swap meanwhile: the controller's locks are held in both databases."""
    with Controller(move) as control:
        # No rollback that was stopped long ago can come back to an epoch that is burnt.
        (epoch,) = control.call(move.source, "burn")
        tell(move, control.target, SERVICE, epoch)
        kept = _archived(ask, move, step.row, epoch)
        manifest = kept.manifest
        done.did += [
            f"archived {manifest.rows:,} rows in {len(manifest.tables)} tables: {kept.path}",
            f"SHA-256 {kept.sha256}, read back row by row",
            f"receipt {kept.receipt}: manage.py strangler log {ask.module} --receipts",
        ]
        step.facts |= {"archive": str(kept.path), "sha256": kept.sha256, "receipt": kept.receipt}
        count = drop(
            control.source, move.source, epoch=epoch, archive=str(kept.path), sha256=kept.sha256
        )
    crashing.point("monolith.dropped")
    done.did.append(f"dropped {count} tables, guards and streams in the monolith")


def _archived(ask: Ask, move: Move, step: Step, epoch: int) -> Archived:
    def check(draft: Path) -> None:
        verify(draft)
        with connect(move.source, purpose="archive check") as connection:
            verify_rows(draft, connection, move.source)

    forget_unfinished(move.module)
    path = archive(move, looking.archives_folder(), epoch=epoch, told=ask.progress, check=check)
    sha256, manifest = sha256_of(path), manifest_of(path)
    receipt = receipts.sign(step, KIND, epoch, _facts(path, sha256, manifest))
    crashing.point("receipt.issued")
    return Archived(path=path, sha256=sha256, manifest=manifest, receipt=receipt.pk)


def _facts(path: Path, sha256: str, manifest: Manifest) -> dict[str, object]:
    return {
        "archive": path.name,
        "sha256": sha256,
        "positions": {"reverse": manifest.position},
        "digests": [
            {"table": one.table, "rows": one.rows, "monolith": list(one.sums)}
            for one in manifest.tables
        ],
        "committed_at": datetime.now(UTC).isoformat(),
        "pause_ms": 0.0,
    }

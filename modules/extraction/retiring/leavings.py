"""What a retirement leaves where it ends early, found by whoever looks: ``doctor``, or itself."""

from __future__ import annotations

from pathlib import Path

from modules.extraction import targets
from modules.extraction.models import Receipt
from modules.extraction.moves import move_of
from modules.extraction.protocol import release
from modules.extraction.protocol.sides import connect
from modules.extraction.protocol.wholeness import is_installed
from modules.extraction.retiring import crashing, looking
from modules.extraction.retiring.archiving import PARTIAL
from modules.extraction.retiring.manifest import digest_file
from modules.extraction.retiring.tombstones import Tombstone
from modules.extraction.routing.watching import tell

KIND = "retire"  # of its receipts


def buried_in(module: str) -> Tombstone | None:
    """The monolith's word that its copy of ``module`` is gone. Raises psycopg's errors."""
    return looking.buried(move_of(module)) if targets.known(module) else None


def has_capture(module: str) -> bool:
    """Whether the service's database still has what the extraction needed."""
    move = move_of(module)
    with connect(move.target, purpose="retire") as target:
        return is_installed(target, move.target)


def finish(module: str) -> None:
    """What comes after the monolith's copy was dropped; again does nothing."""
    release(move_of(module))
    crashing.point("service.released")
    tell(module)


def unfinished(module: str) -> tuple[Path, ...]:
    """Archives that were never signed: drafts, and whole ones whose writer was killed.

    Nothing is dropped before an archive is signed, so they are copies of what is there.
    """
    folder = looking.archives_folder()
    signed = {row.body.get("archive") for row in Receipt.objects.filter(module=module, kind=KIND)}
    whole = (one for one in folder.glob(f"{module}-*.tar") if one.name not in signed)
    return (*sorted(whole), *sorted(folder.glob(f"{module}-*{PARTIAL}")))


def forget_unfinished(module: str) -> None:
    """Remove them."""
    for one in unfinished(module):
        digest_file(one).unlink(missing_ok=True)
        one.unlink(missing_ok=True)

"""How far a module's epochs have come, by everybody who remembers: none is ever given twice.

The databases forget with ``cancel``; record, receipts and front doors do not, and an epoch they
know is no news to them. So what the databases have is written down before they forget it, and the
next extraction begins above all that anybody knows.
"""

from __future__ import annotations

from contextlib import suppress

from django.db.models import Max

from modules.extraction.actors import acting
from modules.extraction.models import Capability, Receipt
from modules.extraction.routing.doors import DoorAway, front_doors


def highest(module: str) -> int:
    """By the record, the receipts, and the front doors that answer; 0 where nothing ever moved."""
    rows = Capability.objects.filter(module=module), Receipt.objects.filter(module=module)
    known = [one.aggregate(most=Max("epoch"))["most"] or 0 for one in rows]
    return max(*known, *_at_doors(module), 0)


def remember(module: str, epoch: int) -> None:
    """Write down that there was ``epoch``, unless a higher one is known."""
    if not epoch:  # nothing has ever moved
        return
    Capability.objects.get_or_create(module=module, defaults={"actor": acting(), "reason": ""})
    Capability.objects.filter(module=module, epoch__lt=epoch).update(epoch=epoch)


def _at_doors(module: str) -> list[int]:
    found = []
    with front_doors() as doors:
        for door in doors:
            with suppress(DoorAway):  # what it knows, it was told from this record
                found.append(int(door.capability(module).get("epoch", 0)))
    return found

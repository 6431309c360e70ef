"""How modules are placed, for people: the table, who would do the work, what the front doors do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from modules.platform.discovery import Role, registry
from modules.platform.messaging.authority import hosted
from modules.platform.placement import table
from modules.platform.placement.doors import Door, Standing, doors
from modules.platform.placement.errors import NoSuchModule, NotExtractable
from modules.platform.placement.installing import placeable_modules
from modules.platform.placement.placed import Placed
from modules.platform.placement.table import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One module. ``instances``: live ones that work on this host's data. ``silent_since``: when
    the service's workers had last been silent for too long; None while they answer.
    ``data_is_there``: an extraction has given the service the data, and so all of the work.
    """

    module: str
    percent: int
    revision: int
    changed_at: datetime | None
    actor: str
    reason: str
    instances: int
    silent_since: datetime | None
    doors: tuple[Standing, ...]
    data_is_there: bool = False

    @property
    def trouble(self) -> str:
        """What keeps the service from doing its share, in a few words; empty if nothing does."""
        if not self.percent:
            return ""
        if not self.instances:
            return "no live instance: all requests and calls are answered in the monolith"
        if self.silent_since is not None:
            return f"workers silent since {self.silent_since:%H:%M:%S}: events go to the monolith"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All modules that may be placed, or the one that was asked for."""

    modules: tuple[Shown, ...]

    @property
    def has_differences(self) -> bool:
        """Whether a front door does otherwise than the table says, or a service cannot."""
        return any(
            one.trouble or any(not door.follows for door in one.doors) for one in self.modules
        )


def overview(module: str | None = None) -> Overview:
    """Of all, or of one. Raises NoSuchModule, NotExtractable."""
    known = placeable_modules()
    if module is not None and module not in settings.FICUS_MODULES:
        raise NoSuchModule(module=module, known=known)
    if module is not None and module not in known:
        raise NotExtractable(module=module, known=known)
    entries, asked = table.entries(), doors()
    live = Counter(one.module for one in registry.live() if one.role is Role.ORIGIN)
    chosen = known if module is None else (module,)
    return Overview(modules=tuple(_shown(m, entries.get(m), live[m], asked) for m in chosen))


def _shown(module: str, entry: Entry | None, instances: int, asked: tuple[Door, ...]) -> Shown:
    percent, revision = (entry.percent, entry.revision) if entry else (0, 0)
    placed = Placed(percent=percent, revision=revision)
    return Shown(
        module=module,
        percent=percent,
        revision=revision,
        changed_at=entry.changed_at if entry else None,
        actor=entry.actor if entry else "",
        reason=entry.reason if entry else "",
        instances=instances,
        silent_since=entry.silent_since if entry else None,
        doors=tuple(door.standing(module, placed) for door in asked),
        data_is_there=not hosted(module),
    )

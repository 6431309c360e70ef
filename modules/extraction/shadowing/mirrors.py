"""What a front door is told: which share of a module's reads it copies, and to whom.

The copies go to the instances with a database of their own; for a while, now and then, to the
monolith once more, which shows what differs by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from modules.extraction.phases import Phase
from modules.extraction.routing.doors import Door, DoorAway, own_upstream, with_own
from modules.extraction.shadowing.collecting import Place, again_upstream
from modules.extraction.shadowing.models import Shadow

Document = dict[str, Any]
# Of each so many seconds the first ``learn_seconds`` are for learning what is noise.
PERIOD = 600.0
CONCURRENT, DEADLINE = 16, 5.0  # copies under way at one worker of a door; seconds for one
# Replication is some milliseconds behind: what still differs then, and after twice as long, does.
CONFIRM = 0.3  # seconds


def mirror_at(shadow: Shadow, now: datetime) -> str:
    """The upstream that copies go to: the service's, or while we learn the monolith's."""
    age = max(0.0, (now - shadow.since).total_seconds())
    is_learning = age % PERIOD < shadow.learn_seconds
    return again_upstream(shadow.module) if is_learning else own_upstream(shadow.module)


def mirrored(document: Document, module: str, upstream: str, percent: int) -> Document:
    """The document with the module's reads copied. Raises DoorAway where that cannot be."""
    document = _with_again(with_own(document, module), module)
    capability = document["capabilities"][module]
    before = capability.get("mirror")
    if before is not None and before["upstream"] not in _ours(module):
        raise DoorAway(
            f"a front door mirrors {module} to {before['upstream']}: take that out first"
        )
    if not document.get("state"):
        raise DoorAway("a front door keeps no pairs: give it a folder (`state`) and start it again")
    mirror = {
        "upstream": upstream,
        "percent": percent,
        "methods": ["GET"],
        "concurrent": CONCURRENT,
        "deadline_seconds": DEADLINE,
        "record": True,
        # Two runs of the monolith are compared as they come: asked again until they agree, what
        # differs by itself now and then would not be found.
        "confirm_seconds": CONFIRM if upstream == own_upstream(module) else 0.0,
    }
    phase = capability.get("phase", Phase.MONOLITH)
    phase = str(Phase.SHADOW) if phase == Phase.MONOLITH else phase
    return _put(
        document, module, {**capability, "mirror": {**(before or {}), **mirror}, "phase": phase}
    )


def unmirrored(document: Document, module: str) -> Document:
    """The document without anything of it: as it was before, but for what others have changed."""
    capability = dict(document.get("capabilities", {}).get(module, {}))
    if not capability:
        return document
    if (capability.get("mirror") or {}).get("upstream") in _ours(module):
        del capability["mirror"]
    if capability.get("phase") == Phase.SHADOW:
        capability["phase"] = str(Phase.MONOLITH)
    document = _put(document, module, capability)
    gone = {again_upstream(module)}
    if _is_ours(document, module):
        gone.add(own_upstream(module))
    upstreams = {name: one for name, one in document["upstreams"].items() if name not in gone}
    return {**document, "upstreams": upstreams}


def place_of(door: Door, module: str) -> Place:
    """Where it keeps the module's pairs. Raises DoorAway."""
    document = door.document()
    state = document.get("state")
    if not state or not Path(state).is_absolute():
        raise DoorAway(f"{door.url} does not say in which folder it keeps pairs (`state`)")
    routes = frozenset(
        one["name"] for one in document.get("routes", ()) if one.get("capability") == module
    )
    return Place(folder=Path(state) / "pairs", routes=routes)


def tell(doors: Iterable[Door], shadow: Shadow, now: datetime) -> list[str]:
    """Have all of them mirror as ``shadow`` says at this moment; who could not be told, and why."""
    upstream = mirror_at(shadow, now)
    late = []
    for door in doors:
        try:
            door.change(lambda one: mirrored(one, shadow.module, upstream, shadow.percent))
        except DoorAway as error:
            late.append(str(error))
    return late


def untell(doors: Iterable[Door], module: str) -> list[str]:
    """Have none of them mirror any more; who could not be told, and why."""
    late = []
    for door in doors:
        try:
            door.change(lambda one: unmirrored(one, module))
        except DoorAway as error:
            late.append(str(error))
    return late


def places_of(doors: Iterable[Door], module: str) -> tuple[list[Place], list[str]]:
    """Where they keep pairs; who does not say."""
    places, late = [], []
    for door in doors:
        try:
            places.append(place_of(door, module))
        except DoorAway as error:
            late.append(str(error))
    return places, late


def _ours(module: str) -> tuple[str, str]:
    return own_upstream(module), again_upstream(module)


def _put(document: Document, module: str, capability: Document) -> Document:
    return {**document, "capabilities": {**document["capabilities"], module: capability}}


def _with_again(document: Document, module: str) -> Document:
    """The monolith by another name, so that its copies have places and a breaker of their own."""
    upstreams, capability = document["upstreams"], document["capabilities"][module]
    again = upstreams[capability["monolith"]]
    return {**document, "upstreams": {**upstreams, again_upstream(module): again}}


def _is_ours(document: Document, module: str) -> bool:
    """Whether the second upstream is the one that we would make, and nobody needs it."""
    capability, own = document["capabilities"][module], own_upstream(module)
    if own not in document["upstreams"] or capability.get("service") in (None, own):
        return False
    others = {name: one for name, one in document["upstreams"].items() if name != own}
    try:
        made = with_own({**document, "upstreams": others}, module)
    except DoorAway:
        return False
    return bool(made["upstreams"][own] == document["upstreams"][own])

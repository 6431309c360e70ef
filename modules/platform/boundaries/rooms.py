"""Which room of a module may import which: the house's floor plan as a table.

Files that are no named room (``sagas.py``, ``pricing.py``) are part of the service, and so is
``bootstrap.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

SERVICE = "service"
_EDGES = frozenset({"rest", "admin", "apps", "management"})
_INNER = frozenset({"contract", "domain", "models", "service", "queries", "providers", "tasks"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """``own``: the rooms of its own module it may import. ``foreign``: other modules' contracts.

    ``pure``: from outside the project it may import the standard library only, and of the
    platform only the contracts.
    """

    own: frozenset[str]
    foreign: bool = True
    pure: bool = False
    because: str


ROOMS: dict[str, Room] = {
    "contract": Room(
        own=frozenset({"contract"}),
        foreign=False,
        pure=True,
        because="a contract is all that others see: it needs nothing but plain types",
    ),
    "module": Room(
        own=frozenset({"contract"}),
        pure=True,
        because="the declaration names contracts and runs nothing",
    ),
    "domain": Room(
        own=frozenset({"domain", "contract"}),
        foreign=False,
        pure=True,
        because="rules are pure: no Django, no database, no other module",
    ),
    "models": Room(
        own=frozenset({"models", "domain", "contract"}),
        foreign=False,
        because="models are private and know their own rules only",
    ),
    "providers": Room(
        own=frozenset({"providers", "domain", "contract"}),
        foreign=False,
        because="a provider speaks to the outside and leaves the tables to the service",
    ),
    "queries": Room(
        own=_INNER - {"tasks"},
        because="reads return contract types and change nothing",
    ),
    "service": Room(
        own=_INNER,
        because="use cases stand below what presents and wires them",
    ),
    "handlers": Room(
        own=frozenset({"handlers", "service", "queries", "domain", "contract", "tasks"}),
        because="a handler turns an event into a use case of its own service",
    ),
    "tasks": Room(
        own=_INNER,
        because="periodic work runs use cases",
    ),
    "rest": Room(
        own=frozenset({"rest", "service", "queries", "domain", "contract"}),
        because="the edge parses, calls the service and renders",
    ),
    "admin": Room(
        own=frozenset({"admin", "service", "queries", "domain", "contract", "models"}),
        because="an operator's act is the same use case as the API's",
    ),
    "variables": Room(
        own=frozenset({"variables"}),
        foreign=False,
        because="variables are read before Django is there",
    ),
    "surroundings": Room(
        own=frozenset({"surroundings", "variables"}),
        foreign=False,
        because="surroundings are programs of their own, started before the module works",
    ),
    "apps": Room(
        own=_INNER | _EDGES | {"handlers", "module"},
        because="apps.py is the only wiring",
    ),
    "management": Room(
        own=_INNER | {"management", "module"},
        because="a command runs use cases",
    ),
}

# Names under which a room is known elsewhere: here each has one name.
ELSEWHERE = {
    "dto": "contract/types.py",
    "ports": "contract/port.py",
    "repositories": "models.py",
    "schemas": "rest/serializers.py",
    "selectors": "queries.py",
    "serializers": "rest/serializers.py",
    "services": "service.py",
    "signals": "handlers.py",
    "urls": "rest/urls.py",
    "views": "rest/views.py",
}
# Drawers: a thing is named for what it is and lives with its owner.
DRAWERS = frozenset(
    {"base", "common", "core", "helper", "helpers", "lib", "misc", "shared", "util", "utils"}
)
# Django's own names: a convention for a family of settings files, and where it looks for an engine.
NO_DRAWERS = frozenset({"shop/settings/base.py", "modules/platform/databases/backend/base.py"})


def kind_of(room: str) -> str:
    """The named room that a room counts as: itself, or the service for any other file."""
    return room if room in ROOMS else SERVICE


def may_import(room: str, other: str) -> bool:
    """Whether a file of ``room`` may import from ``other``, both of one module."""
    return room == other or kind_of(other) in ROOMS[kind_of(room)].own

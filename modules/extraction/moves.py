"""The move of a module as the data half knows it: both sides and their tables."""

from __future__ import annotations

from modules.extraction import targets
from modules.extraction.errors import WrongPhase
from modules.extraction.protocol.sides import Move, Side
from modules.extraction.structure import tables_of


def source_of(module: str) -> Side:
    """Where the monolith has the module."""
    return Side(name="monolith", url=targets.source_url(module), schema=module)


def target_of(module: str, target: targets.Target) -> Side:
    """Where the service has it."""
    return Side(name="service", url=target.admin_url, schema=module)


def move_of(module: str, target: targets.Target | None = None) -> Move:
    """Of what was created, or is being created with ``target``. Raises WrongPhase, psycopg's."""
    there = target or targets.known(module)
    if there is None:
        raise WrongPhase(module=module, phase="monolith", verb="move", possible=("create",))
    source = source_of(module)
    return Move(
        module=module,
        source=source,
        target=target_of(module, there),
        tables=tables_of(source),
    )

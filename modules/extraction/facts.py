"""What is so, found out for the guards: from the tree, both databases, the registry, the doors."""

from __future__ import annotations

from pathlib import Path

import psycopg
from django.conf import settings

from modules.extraction import structure
from modules.extraction.planning.data import data_of
from modules.extraction.protocol.sides import Move
from modules.extraction.targets import Target
from modules.platform.databases.aliases import alias_of
from modules.platform.databases.roles import login
from modules.platform.discovery import Contracts, Role, registry
from modules.platform.placement.doors import doors
from modules.platform.placement.placed import HERE


def has_host(module: str) -> bool:
    """Whether the module has a host of its own."""
    return structure.manage_path(module).is_file()


def faulty_tables(module: str) -> tuple[str, ...]:
    """The tables that cannot be carried, each with why."""
    with login(alias_of(module)) as connection:
        tables = data_of(connection, module).tables
    return tuple(f"{one.name} ({', '.join(one.faults)})" for one in tables if one.faults)


def live_instances(module: str, role: Role) -> int:
    """How many the registry lists."""
    return sum(one.role is role for one in registry.live(module))


def contract_trouble(module: str) -> str:
    """Why some live instance would not get along with this host; empty when all would.

    Where there is no instance yet, both would run the same tree.
    """
    contracts = Contracts.below(Path(settings.BASE_DIR))
    for one in registry.live(module):
        if not contracts.is_judged(module, one.contract):
            schema = registry.contract(one.contract)
            if schema is None:
                return f"{one.id} serves a contract that it has not shown"
            contracts.judge(module, one.contract, schema)
        reason = contracts.why_not(module, one.contract)
        if reason:
            return f"{one.id}: {reason}"
    return ""


def target_trouble(module: str, target: Target) -> str | None:
    """What stands in the service's database already; None when it cannot be asked."""
    try:
        return structure.found_in(target, module)
    except psycopg.OperationalError:
        return "" if target.is_ours else None  # ours is made in a moment


def migrations_trouble(move: Move) -> str | None:
    """How the structures differ; None when one side cannot be asked."""
    try:
        return structure.migrations_differ(move.source, move.target)
    except psycopg.Error:
        return None


def doors_away(module: str) -> tuple[str, ...]:
    """Front doors that cannot be told where the module is."""
    asked = (door.standing(module, HERE) for door in doors())
    return tuple(one.trouble or one.door for one in asked if not one.is_known)

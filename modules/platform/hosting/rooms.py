"""Which rooms a module of this host has; what is not there is not composed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def room(module: str, name: str) -> ModuleType | None:
    """The room ``name`` of a module, if it has one."""
    path = f"modules.{module}.{name}"
    return import_module(path) if find_spec(path) is not None else None


def rooms(modules: Iterable[str], name: str) -> Iterator[ModuleType]:
    """The room ``name`` of each module that has one."""
    return (found for module in modules if (found := room(module, name)) is not None)


def has_rest(module: str) -> bool:
    """Whether the module answers under ``/api/v1/<module>``."""
    rest = f"modules.{module}.rest"
    return find_spec(rest) is not None and find_spec(f"{rest}.urls") is not None


def has_admin(module: str) -> bool:
    """Whether the module has pages under ``/admin/<module>``."""
    return find_spec(f"modules.{module}.admin") is not None

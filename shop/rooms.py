"""Which rooms a module of this host has; what is not there yet is not composed."""

from __future__ import annotations

from importlib.util import find_spec


def has_rest(module: str) -> bool:
    """Whether the module answers under ``/api/v1/<module>``."""
    rest = f"modules.{module}.rest"
    return find_spec(rest) is not None and find_spec(f"{rest}.urls") is not None


def has_admin(module: str) -> bool:
    """Whether the module has pages under ``/admin/<module>``."""
    return find_spec(f"modules.{module}.admin") is not None

"""Which modules may be moved out of this host."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings

from modules.extraction.errors import NoSuchModule, NotExtractable
from modules.platform.contracts import Module


def declared(module: str) -> Module:
    """What ``module`` says of itself."""
    found: Module = import_module(f"modules.{module}.module").MODULE
    return found


def movable_modules() -> tuple[str, ...]:
    """Those of this host that declare themselves extractable, in its order."""
    return tuple(name for name in settings.FICUS_MODULES if declared(name).extractable)


def check_module(module: str) -> None:
    """Raises NoSuchModule."""
    if module not in settings.FICUS_MODULES:
        raise NoSuchModule(module=module, known=movable_modules())


def check_movable(module: str) -> None:
    """Raises NoSuchModule, NotExtractable."""
    check_module(module)
    if module not in movable_modules():
        raise NotExtractable(module=module, known=movable_modules())

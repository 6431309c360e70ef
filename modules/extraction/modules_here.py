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


def retired_modules() -> tuple[str, ...]:
    """Those whose implementation this host has no more; their services have them alone."""
    return tuple(getattr(settings, "FICUS_RETIRED", ()))


def movable_modules() -> tuple[str, ...]:
    """Those of this host that declare themselves extractable, in its order; then the retired."""
    here = (name for name in settings.FICUS_MODULES if declared(name).extractable)
    return (*here, *retired_modules())


def check_module(module: str) -> None:
    """Raises NoSuchModule."""
    if module not in (*settings.FICUS_MODULES, *retired_modules()):
        raise NoSuchModule(module=module, known=movable_modules())


def check_movable(module: str) -> None:
    """Raises NoSuchModule, NotExtractable."""
    check_module(module)
    if module not in movable_modules():
        raise NotExtractable(module=module, known=movable_modules())

"""Refuses to import what is left of a module that is retired here: only its contract is meant.

``RETIRED_MODULES=payment`` says that payment's service has it alone. Its contract stays, because
others call it and hear its events, and the names of its variables, because whoever starts its
service beside this host gives it theirs. The rest may lie there or not: nobody uses it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# ``variables`` and ``surroundings`` are rooms for hosts: they know the platform, not the module.
KEPT = frozenset({"contract", "variables", "surroundings"})


class ImplementationRetired(ModuleNotFoundError):
    """Somebody wants a part of a retired module that is not its contract."""

    def __init__(self, name: str, module: str) -> None:
        super().__init__(
            f"{name} is not to be had here: {module} is retired (RETIRED_MODULES), and its service "
            f"has it alone; import modules.{module}.contract, and call it by use()",
            name=name,
        )
        self.module = module


class Refusal(MetaPathFinder):
    """Finds nothing, ever; refuses what it must. First of all finders."""

    def __init__(self, modules: Iterable[str]) -> None:
        self.modules = frozenset(modules)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raises ImplementationRetired."""
        module = retired_part(fullname, self.modules)
        if module:
            raise ImplementationRetired(fullname, module)
        return None


def retired_part(name: str, modules: Iterable[str]) -> str:
    """The module of ``modules`` whose implementation ``name`` is of; empty for all else."""
    top, _, rest = name.partition(".")
    module, _, within = rest.partition(".")
    if top != "modules" or module not in modules or not within:
        return ""
    return "" if within.partition(".")[0] in KEPT else module


def refuse(modules: Iterable[str]) -> None:
    """Refuse the implementations of ``modules`` from now on, and those of no others.

    Raises ImplementationRetired where one of them is imported already.
    """
    wanted = frozenset(modules)
    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, Refusal)]
    if not wanted:
        return
    sys.meta_path.insert(0, Refusal(wanted))
    for name in list(sys.modules):
        module = retired_part(name, wanted)
        if module:
            raise ImplementationRetired(name, module)

"""``manage.py bootstrap``: the defaults that modules need before they can work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modules.platform.console import ConsoleCommand
from modules.platform.databases import alias_of, installed_modules
from modules.platform.databases.aliases import is_migrated_here
from modules.platform.hosting.rooms import room


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapReport:
    """The modules whose defaults are in place now."""

    modules: tuple[str, ...]


def bootstrap() -> BootstrapReport:
    """Run each module's ``bootstrap()``; what is there already stays as it is.

    What the monolith migrates it also fills.
    """
    done = []
    for module in installed_modules():
        defaults = room(module, "bootstrap")
        if defaults is not None and is_migrated_here(alias_of(module)):
            defaults.bootstrap()
            done.append(module)
    return BootstrapReport(modules=tuple(done))


class Command(ConsoleCommand):
    help = "Put the defaults of every module in place: templates, zones, warehouses, roles."

    def run(self, **options: Any) -> BootstrapReport:
        return bootstrap()

    def render(self, report: BootstrapReport) -> str:
        if not report.modules:
            return "No module here has defaults."
        return f"Defaults are in place for {', '.join(report.modules)}."

"""``manage.py bootstrap``: the defaults a shop needs before it can sell."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from modules.platform.console import ConsoleCommand
from modules.platform.databases import installed_modules


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapReport:
    """The modules whose defaults are in place now."""

    modules: tuple[str, ...]


def bootstrap() -> BootstrapReport:
    """Run each module's ``bootstrap()``; what is there already stays as it is."""
    done = []
    for module in installed_modules():
        name = f"modules.{module}.bootstrap"
        if find_spec(name) is not None:
            import_module(name).bootstrap()
            done.append(module)
    return BootstrapReport(modules=tuple(done))


class Command(ConsoleCommand):
    help = "Put the defaults of every module in place: templates, zones, warehouses, roles."

    def run(self, **options: Any) -> BootstrapReport:
        return bootstrap()

    def render(self, report: BootstrapReport) -> str:
        return f"Defaults are in place for {', '.join(report.modules)}."

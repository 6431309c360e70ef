"""``manage.py scaffold_host MODULE``: writes the standalone host of a module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from modules.platform.boundaries.closure import NotStandalone
from modules.platform.boundaries.closure_of_host import HostUnreadable
from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from shop.env import ROOT
from shop.scaffolding.files import CannotHost, host_files
from shop.scaffolding.requirements import NotPinned
from shop.scaffolding.writing import differing, scaffold


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaffoldReport:
    """The host's folder, the files written there, and those that differ when only looking."""

    folder: str
    written: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()

    @property
    def has_differences(self) -> bool:
        return bool(self.differing)


class Command(ConsoleCommand):
    help = (
        "Write the standalone host of an extractable module: extracted/MODULE. Exits with 3 when "
        "--check finds differences."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("module", metavar="MODULE")
        parser.add_argument(
            "--into", metavar="FOLDER", help="Instead of extracted/; its parent is the root there."
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--refresh", action="store_true", help="Write a host that exists again, but its prose."
        )
        what.add_argument("--check", action="store_true", help="Write nothing; name what differs.")

    def run(
        self, *, module: str, into: str | None, refresh: bool, check: bool, **options: Any
    ) -> ScaffoldReport:
        parent = Path(into).absolute() if into else ROOT / "extracted"
        folder = parent / module
        try:
            files = host_files(module, root=ROOT, folder=folder)
            if check:
                return ScaffoldReport(folder=str(folder), differing=differing(files))
            if folder.exists() and not refresh:
                raise CommandFailed(
                    f"{folder} exists; --refresh writes its generated files again",
                    exit_code=Exit.USAGE,
                )
            written = scaffold(module, root=ROOT, folder=folder)
            return ScaffoldReport(folder=str(folder), written=written)
        except CannotHost as error:
            raise CommandFailed(str(error), exit_code=Exit.USAGE) from error
        except (NotPinned, NotStandalone, HostUnreadable, OSError) as error:
            raise CommandFailed(str(error)) from error

    def render(self, report: ScaffoldReport) -> str:
        if report.differing:
            return f"{report.folder}: not as scaffold_host writes it: {', '.join(report.differing)}"
        if report.written:
            return f"{report.folder}: wrote {', '.join(report.written)}"
        return f"{report.folder} is as scaffold_host writes it."

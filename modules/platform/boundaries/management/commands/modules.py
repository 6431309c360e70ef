"""``manage.py modules check|graph|show|schema|proto|closure``: the house, checked and drawn."""

from __future__ import annotations

from argparse import SUPPRESS
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from rich.console import RenderableType
from rich.text import Text

from modules.platform.boundaries import (
    closure_files,
    drawing,
    pages,
    proto_files,
    rendering,
    snapshots,
)
from modules.platform.boundaries.checks import check_host, check_source
from modules.platform.boundaries.closure_of_host import HostUnreadable
from modules.platform.boundaries.declarations import Declaration, read_declarations
from modules.platform.boundaries.drawing import Arrow
from modules.platform.boundaries.pages import Page
from modules.platform.boundaries.source import SourceTree
from modules.platform.boundaries.violations import Violation, in_order
from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from modules.platform.messaging.upcasting import accepted_versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is wrong; ``written`` are snapshots that were brought up to date."""

    violations: tuple[Violation, ...] = ()
    written: tuple[str, ...] = ()

    @property
    def has_differences(self) -> bool:
        return bool(self.violations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The house as arrows."""

    arrows: tuple[Arrow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The folders and files that a standalone host needs, and who needs each."""

    module: str
    parts: tuple[str, ...]
    because: Mapping[str, str]
    violations: tuple[Violation, ...] = ()
    written: tuple[str, ...] = ()

    @property
    def has_differences(self) -> bool:
        return bool(self.violations)


class Command(ConsoleCommand):
    help = "Check the boundaries, draw the house, show a module, snapshot contracts and closures."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        check = verbs.add_parser("check", help="Hold imports, the registry and wiring to the rules")
        check.add_argument("--format", choices=sorted(rendering.RENDERERS), default="text")
        graph = verbs.add_parser("graph", help="Draw who calls and who hears whom")
        graph.add_argument("--format", choices=sorted(drawing.RENDERERS), default="text")
        show = verbs.add_parser("show", help="Print a module's page")
        show.add_argument("module", metavar="MODULE")
        show.add_argument("--markdown", action="store_true", help="As a page for the docs.")
        schema = verbs.add_parser("schema", help="Hold contracts to their snapshots")
        schema.add_argument("module", metavar="MODULE", nargs="?", help="One module; else all.")
        schema.add_argument("--write", action="store_true", help="Bring the snapshots up to date.")
        schema.add_argument("--against", metavar="BASE", help="A git ref or file not to break.")
        schema.add_argument("--format", choices=sorted(rendering.RENDERERS), default="text")
        proto = verbs.add_parser("proto", help="Hold contracts to their Protocol Buffers")
        proto.add_argument("module", metavar="MODULE", nargs="?", help="One module; else all.")
        how = proto.add_mutually_exclusive_group()
        how.add_argument("--write", action="store_true", help="Bring the files up to date.")
        how.add_argument("--check", action="store_true", help="Only look; this is the default.")
        proto.add_argument("--format", choices=sorted(rendering.RENDERERS), default="text")
        closure = verbs.add_parser("closure", help="List what a standalone host needs of this tree")
        closure.add_argument("module", metavar="MODULE")
        closure.add_argument("--check", action="store_true", help="Hold closure.txt to it.")
        closure.add_argument("--write", action="store_true", help="Bring closure.txt up to date.")
        for verb in (check, graph, show, schema, proto, closure):
            # Also after the verb; SUPPRESS, lest its default undo what stands before it.
            verb.add_argument("--json", action="store_true", default=SUPPRESS, help="As JSON.")

    def run(self, *, verb: str, **options: Any) -> Findings | Drawing | Page | Parts:
        # How to draw it is the renderer's affair: render() is given the report alone.
        self._draw: Callable[[Any], str] = str
        verbs: dict[str, Callable[..., Findings | Drawing | Page | Parts]] = {
            "check": self._check,
            "graph": self._graph,
            "show": self._show_module,
            "schema": self._schema,
            "proto": self._proto,
            "closure": self._closure,
        }
        try:
            return verbs[verb](**options)
        except HostUnreadable as error:
            raise CommandFailed(str(error)) from error
        except SyntaxError as error:
            raise CommandFailed(f"{error.filename}:{error.lineno} is not Python") from error

    def render(self, report: Any) -> RenderableType:
        return Text(self._draw(report))

    def _check(self, *, format: str) -> Findings:
        self._draw = lambda report: rendering.RENDERERS[format](report.violations)
        source = check_source(self._root, cache=self._cache)
        return Findings(violations=in_order((*source, *check_host(self._root))))

    def _graph(self, *, format: str) -> Drawing:
        declarations = self._declarations()
        self._draw = lambda _: drawing.RENDERERS[format](declarations)
        return Drawing(arrows=drawing.arrows(declarations))

    def _show_module(self, *, module: str, markdown: bool) -> Page:
        self._draw = pages.as_markdown if markdown else pages.as_text
        self._known(module)
        declarations = self._declarations()
        if module not in declarations:
            raise CommandFailed(f"modules/{module}/module.py has no readable declaration")
        return pages.page_of(module, declarations)

    def _schema(
        self, *, module: str | None, write: bool, against: str | None, format: str
    ) -> Findings:
        self._draw = lambda report: _schema_text(report, format)
        names = (self._known(module),) if module else SourceTree(self._root).modules
        written = snapshots.write(self._root, names) if write else ()
        found = list(snapshots.check_drift(self._root, names))
        if against:
            found += self._broken(names, against)
        return Findings(violations=in_order(found), written=written)

    def _broken(self, names: tuple[str, ...], against: str) -> list[Violation]:
        try:
            return list(
                snapshots.check_compatible(self._root, names, base=against, can_upcast=_can_upcast)
            )
        except snapshots.NoSuchBase as error:
            raise CommandFailed(str(error), exit_code=Exit.USAGE) from error

    def _proto(self, *, module: str | None, write: bool, check: bool, format: str) -> Findings:
        self._draw = lambda report: _proto_text(report, format)
        names = (self._known(module),) if module else SourceTree(self._root).modules
        written = proto_files.written(self._root, names) if write else ()
        return Findings(
            violations=in_order(proto_files.check_drift(self._root, names)), written=written
        )

    def _closure(self, *, module: str, check: bool, write: bool) -> Parts:
        # grimp is for development; the hosts that ship install this app without it.
        from modules.platform.boundaries.closure import find_closure

        self._draw = lambda report: _closure_text(report, only_check=check)
        found = find_closure(self._known(module), self._root, cache=self._cache)
        path = closure_files.path_of(module)
        if (check or write) and not (self._root / path).parent.is_dir():
            raise CommandFailed(f"{module} has no host: there is no {Path(path).parent}")
        is_new = write and not found.violations and closure_files.write(self._root, found)
        drift = closure_files.check(self._root, found) if check or write else ()
        return Parts(
            module=module,
            parts=found.parts,
            because=found.because,
            violations=in_order((*found.violations, *drift)),
            written=(path,) if is_new else (),
        )

    def _known(self, module: str) -> str:
        names = SourceTree(self._root).modules
        if module not in names:
            raise CommandFailed(
                f"there is no module {module}; there are {', '.join(names)}", exit_code=Exit.USAGE
            )
        return module

    def _declarations(self) -> dict[str, Declaration]:
        return read_declarations(SourceTree(self._root))[0]

    @property
    def _root(self) -> Path:
        return Path(settings.BASE_DIR)

    @property
    def _cache(self) -> Path:
        cache = Path(settings.FICUS_HOME) / "cache" / "grimp"
        cache.parent.mkdir(parents=True, exist_ok=True)
        return cache


def _can_upcast(type_name: str, old: int, new: int) -> bool:
    return old in accepted_versions(type_name, new)


def _schema_text(report: Findings, format: str) -> str:
    if format != "text":
        return rendering.RENDERERS[format](report.violations)
    written = [f"wrote {path}" for path in report.written]
    if not report.violations:
        return "\n".join([*written, "The contracts are what their snapshots say."])
    return "\n".join([*written, rendering.as_text(report.violations)])


def _proto_text(report: Findings, format: str) -> str:
    if format != "text":
        return rendering.RENDERERS[format](report.violations)
    written = [f"wrote {path}" for path in report.written]
    if not report.violations:
        return "\n".join([*written, "The contracts are what their Protocol Buffers say."])
    return "\n".join([*written, rendering.as_text(report.violations)])


def _closure_text(report: Parts, *, only_check: bool) -> str:
    written = [f"wrote {path}" for path in report.written]
    if report.violations:
        return "\n".join([*written, rendering.as_text(report.violations)])
    if only_check:
        return "\n".join([*written, f"{closure_files.path_of(report.module)} is what is true."])
    return "\n".join(written or report.parts)

"""What a standalone host of a module needs of this tree, and nothing else.

Two ways lead to it. Imports, by grimp: from the host's package and the module through everything
they reach, lazy imports and migrations included. And Django, which finds things by name: the
host's own settings are loaded in a process of its own, with its apps, addresses, commands and
folders (``closure_probe.py``). A part is a whole folder, because Django, templates and data
files are found in folders: the host, the module, a contract, a part of the platform.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import grimp

from modules.platform.boundaries.closure_files import Closure
from modules.platform.boundaries.closure_of_host import Named, named_by
from modules.platform.boundaries.graph import INTERNAL, import_graph
from modules.platform.boundaries.source import SourceTree, within
from modules.platform.boundaries.violations import Violation, in_order

AskHost = Callable[[str, Path], Iterable[Named]]


class NotStandalone(Exception):
    """The module reaches what is not copied with it; ``violations`` say what, where, and how not
    to.
    """

    def __init__(self, module: str, violations: tuple[Violation, ...]) -> None:
        facts = "; ".join(f"{one.fact} ({one.place})" for one in violations)
        super().__init__(f"{module} cannot stand alone: {facts}")
        self.violations = violations


def closure_of(module: str, root: Path) -> tuple[str, ...]:
    """The folders and files that a standalone host of ``module`` needs.

    Raises NotStandalone when it reaches something that is not copied, ``HostUnreadable`` when its
    settings cannot be loaded, and ``SyntaxError`` for a file that is not Python.
    """
    found = find_closure(module, root)
    if found.violations:
        raise NotStandalone(module, found.violations)
    return found.parts


def find_closure(
    module: str, root: Path, *, ask_host: AskHost = named_by, cache: Path | None = None
) -> Closure:
    """The closure and what is wrong with it. ``ask_host`` tells what Django finds by name; it is
    asked only when there is ``extracted/<module>``. ``cache`` keeps grimp's work.
    """
    tree = SourceTree(root)
    search = _Search(module, tree, import_graph(tree, cache=cache))
    search.need(f"modules.{module}", by=f"a host of {module}")
    host = f"extracted.{module}"
    is_hosted = tree.file(f"extracted/{module}/__init__.py") is not None
    if is_hosted:
        search.need(host, by=f"a host of {module}")
    search.run()
    for one in ask_host(module, root) if is_hosted else ():
        search.need(one.name, by=f"{host} ({one.where})", path=one.path)
    search.run()
    return search.closure()


class _Search:
    """Goes from part to part until nothing new is reached."""

    def __init__(self, module: str, tree: SourceTree, graph: grimp.ImportGraph) -> None:
        self._module = module
        self._tree = tree
        self._graph = graph
        own = (name for name in graph.modules if name.partition(".")[0] in INTERNAL)
        self._names = sorted(name for name in own if not graph.is_module_squashed(name))
        self._because: dict[str, str] = {}
        self._pending: list[str] = []
        self._violations: list[Violation] = []

    def need(self, dotted: str, *, by: str, path: str = "", line: int = 0) -> None:
        """``by`` (the file ``path``) needs ``dotted``, and the packages above it."""
        part = self._part_of(dotted)
        if part is None:
            self._violations.append(self._outside(dotted, by, path, line))
            return
        above = part.split(".")[:-1]
        packages = [".".join(above[: depth + 1]) for depth in range(len(above))]
        for package in packages:
            self._add(f"{package.replace('.', '/')}/__init__.py", [package], by)
        if part == dotted and self._is_passage(dotted):
            self._add(f"{dotted.replace('.', '/')}/__init__.py", [dotted], by)
        else:
            self._add_whole(part, by)

    def run(self) -> None:
        """Follow the imports of all that was needed so far, and of what that needs."""
        while self._pending:
            importer = self._pending.pop(0)
            for imported in sorted(self._graph.find_modules_directly_imported_by(importer)):
                if imported.partition(".")[0] in INTERNAL:
                    line = self._line(importer, imported)
                    path = self._tree.path_of(importer)
                    self.need(imported, by=importer, path=path, line=line)

    def closure(self) -> Closure:
        """What was found so far."""
        return Closure(
            module=self._module,
            parts=tuple(sorted(self._because)),
            because=dict(sorted(self._because.items())),
            violations=in_order(self._violations),
        )

    def _add_whole(self, part: str, by: str) -> None:
        """``part`` with all that lies in it; most are needed often, and looked through once."""
        path = self._path_of(part)
        if path not in self._because:
            self._add(path, [name for name in self._names if within(name, part)], by)

    def _add(self, path: str, names: list[str], by: str) -> None:
        if path not in self._because:
            self._because[path] = by
            self._pending += [name for name in names if name in self._graph.modules]

    def _part_of(self, dotted: str) -> str | None:
        """The part that ``dotted`` lies in, as a dotted name; None for what is not copied."""
        for whole in (f"modules.{self._module}", f"extracted.{self._module}"):
            if within(dotted, whole):
                return whole
        parts = dotted.split(".")[:3]
        if parts[0] != "modules" or parts[1:2] == ["extraction"]:
            return "extracted" if dotted == "extracted" else None
        is_copied = parts[1:2] == ["platform"] or parts[2:] in ([], ["contract"])
        return ".".join(parts) if is_copied else None

    def _is_passage(self, dotted: str) -> bool:
        """Whether only the package itself is meant: ``modules``, ``modules.platform``."""
        parts = dotted.split(".")
        own = {f"modules.{self._module}", f"extracted.{self._module}"}
        return len(parts) < 3 and dotted not in own

    def _path_of(self, part: str) -> str:
        path = part.replace(".", "/")
        return f"{path}/" if (self._tree.root / path).is_dir() else f"{path}.py"

    def _line(self, importer: str, imported: str) -> int:
        details = self._graph.get_import_details(importer=importer, imported=imported)
        return int(details[0]["line_number"]) if details else 0

    def _outside(self, dotted: str, by: str, path: str, line: int) -> Violation:
        return Violation(
            path=path,
            line=line,
            rule="host-closure",
            fact=f"{by} needs {dotted}, which is not copied with a host of {self._module}",
            way_out=f"it stands on modules/{self._module}, the contracts and modules/platform: "
            f"ask through use(), hear an event, or move what both need to modules/platform",
        )

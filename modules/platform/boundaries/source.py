"""Python source as facts: what each file imports, and what its names stand for. Runs nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

CONTROL_PLANE = "extraction"  # the layer above the modules
NOT_BUSINESS = frozenset({"platform", CONTROL_PLANE})  # packages of modules/ that are no module


class Ref(NamedTuple):
    """A name of a contract: ``Ref("payment", "PaymentCaptured")``, wherever it is re-exported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class SourceFile:
    """One file. ``name`` is its dotted name, ``path`` is relative to the project's root."""

    root: Path
    path: str
    name: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file. Raises ``SyntaxError``."""
        return ast.parse((self.root / self.path).read_bytes(), filename=self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node, so that the tree is walked once however many rules look at it."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def names(self) -> dict[str, str]:
        """What the file's imports bind, function-local ones too: local name to dotted name."""
        bound: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    bound[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    bound[alias.asname or alias.name] = f"{self.origin(node)}.{alias.name}"
        return bound

    def origin(self, node: ast.ImportFrom) -> str:
        """The dotted name that ``from ... import`` draws from, relative ones resolved."""
        if not node.level:
            return node.module or ""
        is_package = self.path.endswith("__init__.py")
        parts = self.name.split(".")
        base = parts[: len(parts) - node.level + (1 if is_package else 0)]
        return ".".join([*base, *([node.module] if node.module else [])])

    def dotted(self, expression: ast.expr) -> str | None:
        """What a name or attribute stands for, through the file's imports; None for the rest."""
        if isinstance(expression, ast.Name):
            return self.names.get(expression.id)
        if isinstance(expression, ast.Attribute):
            value = self.dotted(expression.value)
            return f"{value}.{expression.attr}" if value else None
        return None

    def ref(self, expression: ast.expr) -> Ref | None:
        """The name of a contract that an expression stands for, if it is one."""
        dotted = self.dotted(expression)
        return contract_ref(dotted) if dotted else None


@dataclass(frozen=True)
class SourceTree:
    """The project's source below ``root``."""

    root: Path

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """The business modules, in alphabetical order."""
        found = (entry.parent.name for entry in (self.root / "modules").glob("*/__init__.py"))
        return tuple(sorted(set(found) - NOT_BUSINESS))

    @cached_property
    def packages(self) -> tuple[str, ...]:
        """The top-level packages that the rules speak of and that exist."""
        known = ("modules", "shop", "extracted", "strangler_proxy")
        return tuple(name for name in known if (self.root / name).is_dir())

    @cached_property
    def _files(self) -> dict[str, tuple[SourceFile, ...]]:
        return {module: tuple(self.below(f"modules/{module}")) for module in self.modules}

    def files(self, module: str) -> tuple[SourceFile, ...]:
        """The files of one business module, migrations left out."""
        return self._files[module]

    def file(self, path: str) -> SourceFile | None:
        """The file at ``path`` (relative to the root), if it exists."""
        return self._source(self.root / path) if (self.root / path).is_file() else None

    def below(self, directory: str) -> Iterator[SourceFile]:
        """The files below a directory, in order; migrations and hidden folders left out."""
        for path in sorted((self.root / directory).rglob("*.py")):
            parts = path.relative_to(self.root).parts
            # A host has an environment of its own in extracted/<module>/.venv.
            if "migrations" not in parts and not any(part.startswith(".") for part in parts):
                yield self._source(path)

    def path_of(self, dotted: str) -> str:
        """The path of the file that ``dotted`` names, relative to the root."""
        base = dotted.replace(".", "/")
        package = f"{base}/__init__.py"
        return package if (self.root / package).is_file() else f"{base}.py"

    def _source(self, path: Path) -> SourceFile:
        relative = path.relative_to(self.root)
        parts = relative.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        return SourceFile(root=self.root, path=relative.as_posix(), name=name)


def contract_ref(dotted: str) -> Ref | None:
    """``modules.payment.contract.port.Payment`` as ``Ref("payment", "Payment")``."""
    parts = dotted.split(".")
    if len(parts) < 4 or parts[0] != "modules" or parts[2] != "contract":
        return None
    return Ref(parts[1], parts[-1])


def module_of_name(dotted: str) -> str | None:
    """The package below ``modules`` that a dotted name lies in: ``payment``, ``platform``."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "modules" else None


def room_of(dotted: str) -> str | None:
    """The room that a dotted name lies in: ``modules.cart.rest.views`` is in ``rest``."""
    parts = dotted.split(".")
    return parts[2] if len(parts) > 2 and parts[0] == "modules" else None


def within(dotted: str, package: str) -> bool:
    """Whether a dotted name is the package or lies in it."""
    return dotted == package or dotted.startswith(f"{package}.")

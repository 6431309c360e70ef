"""Reads each ``MODULE = Module(...)`` from its source, so that a check runs no module's code.

What is read is what would be evaluated, because a declaration must be literal: names imported
from contracts, in tuples. Anything else is itself a violation.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from modules.platform.boundaries.source import Ref, SourceFile, SourceTree
from modules.platform.boundaries.violations import Violation

TEXTS = ("name", "purpose", "owner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a module says of itself. ``lines`` are those of its fields in ``path``."""

    name: str
    path: str
    purpose: str
    owner: str
    port: Ref | None
    calls: tuple[Ref, ...] = ()
    publishes: tuple[Ref, ...] = ()
    consumes: tuple[Ref, ...] = ()
    extractable: bool = False
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def called(self) -> frozenset[str]:
        """The modules it calls synchronously."""
        return frozenset(ref.module for ref in self.calls)

    @property
    def neighbours(self) -> frozenset[str]:
        """The modules whose contracts it may import."""
        return self.called | {ref.module for ref in self.consumes}

    def line(self, name: str) -> int:
        """The line of a field, or of the declaration."""
        return self.lines.get(name, self.lines.get("MODULE", 1))


class _Unreadable(Exception):
    def __init__(self, line: int, fact: str) -> None:
        super().__init__(fact)
        self.line = line
        self.fact = fact


def read_declarations(
    tree: SourceTree,
) -> tuple[dict[str, Declaration], tuple[Violation, ...]]:
    """Every module's declaration by name, and what is wrong with those that cannot be read."""
    found: dict[str, Declaration] = {}
    wrong: list[Violation] = []
    for module in tree.modules:
        path = f"modules/{module}/module.py"
        source = tree.file(path)
        if source is None:
            wrong.append(_missing(module, path))
            continue
        try:
            found[module] = _read(module, source)
        except _Unreadable as error:
            wrong.append(_unreadable(path, error))
    for declaration in found.values():
        wrong += _inconsistent(declaration)
    return found, tuple(wrong)


def _read(module: str, source: SourceFile) -> Declaration:
    call = _module_call(source)
    fields = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    texts = {name: _text(name, fields, call) for name in TEXTS}
    if texts["name"] != module:
        raise _Unreadable(
            call.lineno, f"the declaration in modules/{module} is named {texts['name']!r}"
        )
    extractable = fields.get("extractable")
    return Declaration(
        name=module,
        path=source.path,
        purpose=texts["purpose"],
        owner=texts["owner"],
        calls=_refs("calls", fields, source),
        publishes=_refs("publishes", fields, source),
        consumes=_refs("consumes", fields, source),
        port=source.ref(fields["port"]) if "port" in fields else None,
        extractable=isinstance(extractable, ast.Constant) and bool(extractable.value),
        lines={"MODULE": call.lineno} | {name: value.lineno for name, value in fields.items()},
    )


def _module_call(source: SourceFile) -> ast.Call:
    for node in source.tree.body:
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        else:
            continue
        if "MODULE" in names:
            if isinstance(node.value, ast.Call):
                return node.value
            raise _Unreadable(node.lineno, "MODULE is not a call of Module(...)")
    raise _Unreadable(1, f"{source.path} does not assign MODULE")


def _text(name: str, fields: Mapping[str, ast.expr], call: ast.Call) -> str:
    value = fields.get(name)
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str) or not value.value:
        raise _Unreadable(call.lineno, f"MODULE's {name} is not a text")
    return value.value


def _refs(name: str, fields: Mapping[str, ast.expr], source: SourceFile) -> tuple[Ref, ...]:
    value = fields.get(name)
    if value is None:
        return ()
    if not isinstance(value, ast.Tuple | ast.List):
        raise _Unreadable(value.lineno, f"MODULE's {name} is not written out as a tuple")
    found = []
    for element in value.elts:
        ref = source.ref(element)
        if ref is None:
            text = ast.unparse(element)
            raise _Unreadable(
                element.lineno, f"{text} in MODULE's {name} is not a name imported from a contract"
            )
        found.append(ref)
    return tuple(found)


def _inconsistent(one: Declaration) -> list[Violation]:
    wrong = []
    if one.port is None or one.port.module != one.name:
        wrong.append(_bad(one, "port", f"{one.name} does not declare a port of its own contract"))
    for ref in one.publishes:
        if ref.module != one.name:
            wrong.append(_bad(one, "publishes", f"{one.name} declares that it publishes {ref}"))
    for ref in one.calls:
        if ref.module == one.name:
            wrong.append(_bad(one, "calls", f"{one.name} declares that it calls itself"))
    return wrong


def _bad(one: Declaration, name: str, fact: str) -> Violation:
    return Violation(
        path=one.path,
        line=one.line(name),
        rule="declaration",
        fact=fact,
        way_out="port and publishes name the module's own contract, calls those of others",
    )


def _missing(module: str, path: str) -> Violation:
    return Violation(
        path=path,
        line=0,
        rule="declaration",
        fact=f"module {module} has no declaration",
        way_out=f"write {path} with MODULE = Module(name={module!r}, ...), or move the package",
    )


def _unreadable(path: str, error: _Unreadable) -> Violation:
    return Violation(
        path=path,
        line=error.line,
        rule="declaration",
        fact=error.fact,
        way_out="write the declaration literally: texts, and tuples of names from contracts",
    )

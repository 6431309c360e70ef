"""The classes of each contract by what they are: ports, events, commands, errors, types."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from modules.platform.boundaries.source import Ref, SourceFile, SourceTree

_PLATFORM = "modules.platform.contracts"
_ROOTS = {
    "Event": "event",
    "Command": "command",
    "ContractError": "error",
    "Invalid": "error",
    "NotFound": "error",
    "Conflict": "error",
    "StaleVersion": "error",
    "Forbidden": "error",
    "Unavailable": "error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One class of a contract. ``kind``: port, event, command, error or type."""

    ref: Ref
    kind: str
    path: str
    line: int


Vocabulary = Mapping[Ref, Word]


def read_vocabulary(tree: SourceTree) -> Vocabulary:
    """Every class of every contract."""
    words: dict[Ref, Word] = {}
    for module in tree.modules:
        pending = [
            (node, source)
            for source in tree.below(f"modules/{module}/contract")
            for node in source.tree.body
            if isinstance(node, ast.ClassDef)
        ]
        # Bases may be declared in any order and file: go round until nothing new is known.
        kinds: dict[str, str] = {}
        for _ in pending:
            before = len(kinds)
            for node, source in pending:
                if kind := _kind(node, source, kinds):
                    kinds[node.name] = kind
            if len(kinds) == before:
                break
        for node, source in pending:
            ref = Ref(module, node.name)
            kind = kinds.get(node.name, "type")
            words[ref] = Word(ref=ref, kind=kind, path=source.path, line=node.lineno)
    return words


def _kind(node: ast.ClassDef, source: SourceFile, kinds: Mapping[str, str]) -> str | None:
    for base in node.bases:
        expression = base.value if isinstance(base, ast.Subscript) else base
        dotted = source.dotted(expression) or ""
        name = dotted.rpartition(".")[2] or ast.unparse(expression)
        if dotted.startswith(_PLATFORM) and name in _ROOTS:
            return _ROOTS[name]
        if dotted in {"typing.Protocol", "typing_extensions.Protocol"}:
            return "port"
        if name in kinds:
            return kinds[name]
    return None

"""What a module truly calls, publishes and hears, as its source says it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from modules.platform.boundaries.source import Ref, SourceFile, SourceTree, room_of, within
from modules.platform.boundaries.vocabulary import Vocabulary

BINDING = "modules.platform.binding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a name is used."""

    path: str
    line: int


Uses = dict[Ref, list[Place]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """By name of a contract, where the module's code does what. ``unreadable``: what cannot be
    told from the source, with the place.

    ``calls`` are ports given to ``use()``; ``events`` are events of its own named outside
    its contract and declaration; ``foreign_events`` are others' events that it makes;
    ``hears`` are the keys of HANDLERS; ``handler_asks`` are other modules' ports and commands
    imported by handlers.
    """

    calls: Uses = field(default_factory=dict)
    events: Uses = field(default_factory=dict)
    foreign_events: Uses = field(default_factory=dict)
    hears: Uses = field(default_factory=dict)
    handler_asks: Uses = field(default_factory=dict)
    unreadable: list[tuple[str, Place]] = field(default_factory=list)


def usage_of(module: str, tree: SourceTree, vocabulary: Vocabulary) -> Usage:
    """Reads every file of the module once."""
    usage = Usage()
    for source in tree.files(module):
        room = room_of(source.name)
        if room == "contract":
            continue
        _read_calls(source, module, usage)
        if room != "module":
            _read_events(source, module, vocabulary, usage)
        if room == "handlers":
            _read_handlers(source, usage)
            _read_handler_imports(source, module, vocabulary, usage)
    return usage


def _note(uses: Uses, ref: Ref, source: SourceFile, node: ast.expr | ast.stmt) -> None:
    uses.setdefault(ref, []).append(Place(path=source.path, line=node.lineno))


def _read_calls(source: SourceFile, module: str, usage: Usage) -> None:
    for node in source.nodes:
        if not isinstance(node, ast.Call) or not _is_use(source, node) or not node.args:
            continue
        ref = source.ref(node.args[0])
        if ref is None:
            fact = f"use({ast.unparse(node.args[0])}) does not name a port imported from a contract"
            usage.unreadable.append((fact, Place(path=source.path, line=node.lineno)))
        elif ref.module != module:
            _note(usage.calls, ref, source, node)


def _is_use(source: SourceFile, call: ast.Call) -> bool:
    dotted = source.dotted(call.func) or ""
    return within(dotted, BINDING) and dotted.endswith(".use")


def _read_events(source: SourceFile, module: str, vocabulary: Vocabulary, usage: Usage) -> None:
    hearing = room_of(source.name) == "handlers"  # there a name alone is something heard
    for node in source.nodes:
        made = node.func if isinstance(node, ast.Call) else None
        if made is None and (hearing or not isinstance(node, ast.Name | ast.Attribute)):
            continue
        ref = source.ref(made or node)  # type: ignore[arg-type]
        if ref is None or not _is(vocabulary, ref, "event"):
            continue
        if ref.module == module:
            _note(usage.events, ref, source, node)  # type: ignore[arg-type]
        elif made is not None:
            _note(usage.foreign_events, ref, source, made)


def _read_handlers(source: SourceFile, usage: Usage) -> None:
    for table, node in _tables(source):
        if not isinstance(table, ast.Dict):
            place = Place(path=source.path, line=node.lineno)
            usage.unreadable.append(("HANDLERS is not written out as a dict", place))
            continue
        for key in table.keys:
            ref = source.ref(key) if key is not None else None
            if ref is None:
                text = "**" if key is None else ast.unparse(key)
                place = Place(path=source.path, line=table.lineno)
                usage.unreadable.append((f"{text} in HANDLERS is not an event's name", place))
            else:
                _note(usage.hears, ref, source, key or table)


def _tables(source: SourceFile) -> Iterator[tuple[ast.expr | None, ast.stmt]]:
    for node in source.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == "HANDLERS" for target in targets):
            yield getattr(node, "value", None), node


def _read_handler_imports(
    source: SourceFile, module: str, vocabulary: Vocabulary, usage: Usage
) -> None:
    for node in source.nodes:
        if not isinstance(node, ast.Name):
            continue
        ref = source.ref(node)
        if ref and ref.module != module and _is(vocabulary, ref, "port", "command"):
            _note(usage.handler_asks, ref, source, node)


def _is(vocabulary: Vocabulary, ref: Ref, *kinds: str) -> bool:
    return ref in vocabulary and vocabulary[ref].kind in kinds

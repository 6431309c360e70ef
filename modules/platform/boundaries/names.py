"""Rules about names: no drawers, no renamed rooms, no reaching across by text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from modules.platform.boundaries.rooms import DRAWERS, ELSEWHERE, NO_DRAWERS
from modules.platform.boundaries.source import CONTROL_PLANE, SourceFile, SourceTree
from modules.platform.boundaries.violations import Violation

_INTERIOR = re.compile(r"^modules\.(\w+)\.(?!contract\b|module\b)\w+")
_MODEL = re.compile(r"^(\w+)\.(\w+)$")


def check_names(tree: SourceTree) -> Iterator[Violation]:
    """What is wrong with files' names and with the texts that name other modules' parts."""
    for package in tree.packages:
        for source in tree.below(package):
            yield from _drawer(source.path)
    for module in tree.modules:
        yield from _renamed(module, tree)
        for source in tree.files(module):
            yield from _texts(source, module, tree)
    for source in tree.below(f"modules/{CONTROL_PLANE}"):
        yield from _texts(source, CONTROL_PLANE, tree)


def _drawer(path: str) -> Iterator[Violation]:
    if path in NO_DRAWERS:
        return
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    # A package is told once, at its __init__; its files are not to blame.
    if parts[-1] in DRAWERS:
        yield Violation(
            path=path,
            line=0,
            rule="drawer",
            fact=f"{path} is a drawer: {parts[-1]} says nothing of what is in it",
            way_out="name each thing for what it is and put it with its owner",
        )


def _renamed(module: str, tree: SourceTree) -> Iterator[Violation]:
    for name, home in ELSEWHERE.items():
        path = tree.path_of(f"modules.{module}.{name}")
        if tree.file(path):
            yield Violation(
                path=path,
                line=0,
                rule="rooms-renamed",
                fact=f"{module} has a room of its own making, {name}",
                way_out=f"every module has the same rooms: this belongs in modules/{module}/{home}",
            )


def _texts(source: SourceFile, module: str, tree: SourceTree) -> Iterator[Violation]:
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = _INTERIOR.match(node.value)
            if found and found[1] in tree.modules and found[1] != module:
                yield _reach(source, node.lineno, f"names {node.value!r}", found[1])
        elif isinstance(node, ast.Call):
            other = _model_owner(source, node)
            if other in tree.modules and other != module:
                yield _reach(source, node.lineno, f"gets a model of {other} by name", other or "")


def _reach(source: SourceFile, line: int, what: str, other: str) -> Violation:
    return Violation(
        path=source.path,
        line=line,
        rule="reach-by-name",
        fact=f"{source.name} {what}, which is private to {other}",
        way_out=f"ask through use() with a port of modules.{other}.contract, or hear an event",
    )


def _model_owner(source: SourceFile, call: ast.Call) -> str | None:
    name = getattr(call.func, "attr", None) or getattr(call.func, "id", None)
    if name not in {"get_model", "get_app_config", "get_by_natural_key"} or not call.args:
        return None
    first = call.args[0]
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return None
    qualified = _MODEL.match(first.value)
    return qualified[1] if qualified else first.value

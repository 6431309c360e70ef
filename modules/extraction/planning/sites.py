"""Where code calls other modules in a loop or inside a transaction: from its syntax tree alone.

Looked for within a function, and through one function of the same file that it calls. A call from
another file is not followed: what is found is certain, what is not found may be there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from modules.extraction.planning.plans import Site
from modules.platform.boundaries.source import Ref, SourceFile, within

USE = "modules.platform.binding"
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortCall:
    """One call of a port's method."""

    ref: Ref
    method: str
    site: Site
    in_loop: bool
    in_transaction: bool


@dataclass(slots=True)
class _Scope:
    """What holds at a place of a function."""

    loops: int = 0
    transactions: int = 0
    ports: dict[str, Ref] = field(default_factory=dict)


def port_calls(source: SourceFile) -> tuple[PortCall, ...]:
    """The calls of ports in one file; a caller's loop or transaction counts for its callee."""
    direct = _Walk(source)
    direct.visit(source.tree)
    if not direct.found:
        return ()
    through = _Walk(source, callees=direct.by_function)
    through.visit(source.tree)
    return tuple(direct.found + through.found)


class _Walk(ast.NodeVisitor):
    def __init__(
        self, source: SourceFile, callees: Mapping[str, list[PortCall]] | None = None
    ) -> None:
        self._source = source
        self._callees = callees or {}
        self._scope = _Scope()
        self._function = ""
        self.found: list[PortCall] = []
        self.by_function: dict[str, list[PortCall]] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        before, name = self._scope, self._function
        self._scope, self._function = _Scope(), node.name
        self._scope.transactions = sum(map(self._is_atomic, node.decorator_list))
        for statement in node.body:
            self.visit(statement)
        self._scope, self._function = before, name

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Assign(self, node: ast.Assign) -> None:
        ref = self._port(node.value)
        for target in node.targets:
            if ref is not None and isinstance(target, ast.Name):
                self._scope.ports[target.id] = ref
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        opened = sum(self._is_atomic(item.context_expr) for item in node.items)
        with self._inside(transactions=opened):
            self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _LOOPS):
            self._loop(node)
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node)
        else:
            super().generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self._note(node)
        super().generic_visit(node)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> None:
        if not isinstance(node, ast.While):
            self.visit(node.iter)  # asked once
        with self._inside(loops=1):
            for statement in (*node.body, *([node.test] if isinstance(node, ast.While) else ())):
                self.visit(statement)
        for statement in node.orelse:
            self.visit(statement)

    def _comprehension(self, node: ast.AST) -> None:
        generators = node.generators  # type: ignore[attr-defined]
        self.visit(generators[0].iter)  # asked once
        with self._inside(loops=1):
            for name in ("elt", "key", "value"):
                if hasattr(node, name):
                    self.visit(getattr(node, name))
            for one in generators:
                for condition in (*one.ifs, *([] if one is generators[0] else [one.iter])):
                    self.visit(condition)

    @contextmanager
    def _inside(self, *, loops: int = 0, transactions: int = 0) -> Iterator[None]:
        self._scope.loops += loops
        self._scope.transactions += transactions
        yield
        self._scope.loops -= loops
        self._scope.transactions -= transactions

    def _note(self, node: ast.Call) -> None:
        in_loop, in_transaction = bool(self._scope.loops), bool(self._scope.transactions)
        function = node.func
        if isinstance(function, ast.Attribute):
            ref = self._port(function.value)
            if ref is not None and not self._callees:
                text = f"{ref.module}.{function.attr}"
                call = self._call(ref, function.attr, node, text, in_loop, in_transaction)
                self.found.append(call)
                self.by_function.setdefault(self._function, []).append(call)
        elif isinstance(function, ast.Name) and (in_loop or in_transaction):
            for one in self._callees.get(function.id, ()):
                text = f"{one.ref.module}.{one.method} through {function.id}()"
                self.found.append(
                    self._call(one.ref, one.method, node, text, in_loop, in_transaction)
                )

    def _call(
        self, ref: Ref, method: str, node: ast.Call, text: str, loop: bool, transaction: bool
    ) -> PortCall:
        site = Site(path=self._source.path, line=node.lineno, fact=text)
        return PortCall(ref=ref, method=method, site=site, in_loop=loop, in_transaction=transaction)

    def _port(self, node: ast.expr) -> Ref | None:
        """The port that an expression stands for: ``use(Payment)``, or a name that was given it."""
        if isinstance(node, ast.Name):
            return self._scope.ports.get(node.id)
        if isinstance(node, ast.Call) and node.args:
            dotted = self._source.dotted(node.func) or ""
            if within(dotted, USE) and dotted.endswith(".use"):
                return self._source.ref(node.args[0])
        return None

    def _is_atomic(self, node: ast.expr) -> bool:
        called = node.func if isinstance(node, ast.Call) else node
        return (self._source.dotted(called) or "").endswith(".atomic")

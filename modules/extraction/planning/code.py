"""A module's ties to the others, and what a network in between would change; reads source only."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from modules.extraction.planning.plans import Code, Link, Links, Site
from modules.extraction.planning.sites import PortCall, port_calls
from modules.platform.boundaries.declarations import Declaration
from modules.platform.boundaries.source import SourceFile, SourceTree
from modules.platform.boundaries.usage import Uses, usage_of
from modules.platform.boundaries.vocabulary import read_vocabulary

WRITING = frozenset({"post", "patch", "put", "delete"})
OPERATION = "modules.platform.rest.operation.operation"


class CodeReader:
    """Reads the project's source once, for the plans of all modules."""

    def __init__(self, tree: SourceTree, declarations: Mapping[str, Declaration]) -> None:
        self._tree = tree
        self._declarations = declarations
        vocabulary = read_vocabulary(tree)
        self._usage = {m: usage_of(m, tree, vocabulary) for m in declarations}
        self._calls = {m: tuple(_calls_in(tree.files(m))) for m in declarations}

    def of(self, module: str) -> Code:
        """All that the source says of ``module``."""
        remote = [call for m in self._calls for call in self._calls[m] if _crosses(m, call, module)]
        return Code(
            links=self._links(module),
            chatty=tuple(one.site for one in remote if one.in_loop),
            in_transaction=tuple(one.site for one in remote if one.in_transaction),
            unrepeatable=tuple(_unrepeatable(self._tree.files(module))),
        )

    def _links(self, module: str) -> Links:
        one, usage = self._declarations[module], self._usage[module]
        calls_in, events_out = list[Link](), list[Link]()
        for other, said in self._declarations.items():
            uses = self._usage[other]
            calls_in += [
                _link(other, ref.name, uses.calls.get(ref))
                for ref in said.calls
                if ref.module == module
            ]
            events_out += [
                _link(other, ref.name, uses.hears.get(ref))
                for ref in said.consumes
                if ref.module == module
            ]
        return Links(
            calls_in=tuple(calls_in),
            calls_out=_links_of(one.calls, usage.calls),
            events_in=_links_of(one.consumes, usage.hears),
            events_out=tuple(events_out),
        )


def _crosses(caller: str, call: PortCall, module: str) -> bool:
    """Whether the call would go over a network once ``module`` is a service."""
    return caller != call.ref.module and module in (caller, call.ref.module)


def _calls_in(files: Iterable[SourceFile]) -> Iterator[PortCall]:
    for source in files:
        yield from port_calls(source)


def _links_of(refs: Iterable[object], uses: Uses) -> tuple[Link, ...]:
    return tuple(_link(ref.module, ref.name, uses.get(ref)) for ref in refs)  # type: ignore[attr-defined,call-overload]


def _link(module: str, name: str, places: Iterable[object] | None) -> Link:
    found = (
        Site(path=one.path, line=one.line, fact=name)  # type: ignore[attr-defined]
        for one in places or ()
    )
    in_order = sorted(found, key=lambda site: (site.path, site.line))
    return Link(module=module, name=name, sites=tuple(in_order))


def _unrepeatable(files: Iterable[SourceFile]) -> Iterator[Site]:
    """Operations of the API that write and take no key: a cut-off one may have been done or not."""
    for source in files:
        if ".rest." not in source.name:
            continue
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef) and node.name in WRITING:
                yield from _of_operation(source, node)


def _of_operation(source: SourceFile, node: ast.FunctionDef) -> Iterator[Site]:
    for call in node.decorator_list:
        if not isinstance(call, ast.Call) or source.dotted(call.func) != OPERATION:
            continue
        said = {one.arg: one.value for one in call.keywords}
        # What is replaced or removed by version, or PUT and DELETE by nature, may be repeated.
        is_safe = node.name in {"put", "delete"} or "if_match" in said
        keyed = said.get("idempotent")
        if not is_safe and not (isinstance(keyed, ast.Constant) and keyed.value):
            title = ast.literal_eval(call.args[0]) if call.args else node.name
            yield Site(path=source.path, line=node.lineno, fact=f"{node.name.upper()} {title}")

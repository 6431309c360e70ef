"""The routing table: a document compiled, checked and immutable, and the search in it.

A host's own routes come before those of a suffix, and these before those for any host; among them
the longest prefix wins, by whole segments, and an exact path before any prefix. What has been
found decides: a method that is not listed there gets 405, not a shorter prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strangler_proxy.auth.remembered import Remembered
from strangler_proxy.compiled import CompiledCapability, CompiledRoute
from strangler_proxy.config import Capability, Document
from strangler_proxy.decision import CLOSED, Reason
from strangler_proxy.document.checks import document_findings
from strangler_proxy.document.loading import load_with_lines, read_file
from strangler_proxy.document.text import Lines
from strangler_proxy.errors import Refusal, TableRefused
from strangler_proxy.paths import spellings_of_internal

_PATHS = 4096  # remembered, for each host
_PATH: Final = 256  # bytes of a path that is remembered
_SPARE = 8  # segments below the deepest prefix that are looked up one by one


class Entry:
    """The routes of one path of one host: by method, and one for all ``other`` methods."""

    __slots__ = ("other", "reason", "refusal", "routes")

    def __init__(self) -> None:
        self.routes: dict[bytes, CompiledRoute] = {}
        self.other: CompiledRoute | None = None
        self.refusal = CLOSED
        self.reason = Reason.INTERNAL_PATH

    def add(self, route: CompiledRoute) -> None:
        for method in route.methods:
            self.routes[method] = route
        if not route.methods:
            self.other = route
        allow = b", ".join(sorted(self.routes))
        detail = f"Here is only {allow.decode()}."
        self.refusal = Refusal(405, "method_not_allowed", detail, ((b"Allow", allow),))
        self.reason = Reason.METHOD

    def all(self) -> list[CompiledRoute]:
        """Each route once, in the document's order."""
        routes = {*self.routes.values(), *filter(None, [self.other])}
        return sorted(routes, key=lambda route: route.index)


class Group:
    """The routes of one host, suffix, or of any host."""

    __slots__ = ("depth", "exact", "prefixes", "seen")

    def __init__(self) -> None:
        # Nothing below is ever routed: no prefix of a route begins so.
        self.prefixes = {spelling: Entry() for spelling in spellings_of_internal()}
        self.exact: dict[bytes, Entry] = {}
        self.depth = _SPARE
        # By plain paths, of requests for which this group comes first: the same come again.
        self.seen = Remembered[bytes, Entry](_PATHS)

    def add(self, route: CompiledRoute) -> None:
        entries = self.exact if route.settings.exact else self.prefixes
        entries.setdefault(route.prefix, Entry()).add(route)
        self.depth = max(self.depth, route.prefix.count(b"/") + _SPARE)

    def find(self, path: bytes) -> Entry | None:
        """The entry of the longest prefix: the path is shortened, segment by segment."""
        if path in self.exact:
            return self.exact[path]
        entries = self.prefixes
        if path.count(b"/") > self.depth:  # or a path of slashes would take a thousand steps
            path = b"/".join(path.split(b"/", self.depth + 1)[: self.depth + 1])
        while path not in entries:
            end = path.rfind(b"/")
            if end <= 0:
                return entries.get(b"")
            path = path[:end]
        return entries[path]


Groups = tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What requests are decided by."""

    document: Document
    revision: int
    routes: tuple[CompiledRoute, ...]
    capabilities: Mapping[str, CompiledCapability]
    _any: Groups
    _hosts: Mapping[bytes, Groups]
    _suffixes: Mapping[bytes, Groups]

    def find(self, host: bytes, path: bytes) -> Entry | None:
        """The routes for a canonical path."""
        groups = self.groups(host) if self._hosts or self._suffixes else self._any
        for group in groups:
            entry = group.find(path)
            if entry is not None:
                return entry
        return None

    def recall(self, host: bytes, path: bytes) -> Entry | None:
        """The entry of a path that ``learn`` was told; None says nothing."""
        groups = self.groups(host) if self._hosts or self._suffixes else self._any
        return groups[0].seen.get(path)

    def learn(self, host: bytes, path: bytes, entry: Entry) -> None:
        """What ``find`` has found for a plain path."""
        if len(path) <= _PATH:
            self.groups(host)[0].seen.keep(path, entry)

    def groups(self, host: bytes) -> Groups:
        """Where to search for a host, the most specific first."""
        host = host.removesuffix(b".")
        known = self._hosts.get(host)
        if known is not None:
            return known
        dot = host.find(b".")
        while dot >= 0 and self._suffixes:
            known = self._suffixes.get(host[dot:])
            if known is not None:
                return known
            dot = host.find(b".", dot + 1)
        return self._any


def load_table(text: str, source: str = "the document") -> Table:
    """The table of YAML or JSON text. Raises TableRefused with all findings and their lines."""
    document, lines = load_with_lines(text, source)
    return compile_table(document, lines, source)


def load_table_file(path: Path | str) -> Table:
    """The same from a file. Raises TableRefused, also if it cannot be read."""
    return load_table(read_file(path), str(path))


def compile_table(
    document: Document, lines: Lines | None = None, source: str = "the document"
) -> Table:
    """Check that the parts fit together, and make the table. Raises TableRefused."""
    findings = (lines or Lines()).place(document_findings(document))
    if findings:
        raise TableRefused(findings, source)
    capabilities = {
        name: CompiledCapability(name, capability, own_database=_is_own(document, capability))
        for name, capability in document.capabilities.items()
    }
    routes = tuple(
        CompiledRoute(index, route, capabilities.get(route.capability or ""))
        for index, route in enumerate(document.routes)
    )
    return Table(document, document.revision, routes, capabilities, *_by_host(routes))


def _is_own(document: Document, capability: Capability) -> bool:
    """Whether the service's instances are bound to its own database, as far as is declared."""
    service = document.upstreams.get(capability.service or "")
    return service is not None and service.registry is not None and service.registry.role == "own"


def _by_host(
    routes: tuple[CompiledRoute, ...],
) -> tuple[Groups, dict[bytes, Groups], dict[bytes, Groups]]:
    """The groups for any host, for each host and for each suffix, the most specific first."""
    groups: dict[bytes, Group] = {b"": Group()}
    for route in routes:
        for host in route.settings.hosts or ("",):
            groups.setdefault(host.removeprefix("*").encode(), Group()).add(route)
    anybody = (groups.pop(b""),)
    suffixes: dict[bytes, Groups] = {}
    for suffix in sorted((name for name in groups if name.startswith(b".")), key=len):
        suffixes[suffix] = (groups[suffix], *_shorter(suffix[1:], suffixes, anybody))
    hosts = {
        name: (group, *_shorter(name, suffixes, anybody))
        for name, group in groups.items()
        if not name.startswith(b".")
    }
    return anybody, hosts, suffixes


def _shorter(host: bytes, suffixes: Mapping[bytes, Groups], anybody: Groups) -> Groups:
    """The groups of the longest suffix of ``host``, else those for any host."""
    matching = [suffix for suffix in suffixes if host.endswith(suffix)]
    return suffixes[max(matching, key=len)] if matching else anybody

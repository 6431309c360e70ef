"""Rules about single imports: other modules' interiors, rooms, purity, hosts, the proxy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from modules.platform.boundaries import control_plane
from modules.platform.boundaries.declarations import Declaration
from modules.platform.boundaries.graph import Edge
from modules.platform.boundaries.rooms import ROOMS, kind_of, may_import
from modules.platform.boundaries.source import (
    CONTROL_PLANE,
    NOT_BUSINESS,
    SourceTree,
    module_of_name,
    room_of,
    within,
)
from modules.platform.boundaries.violations import Violation

CONTRACTS = "modules.platform.contracts"
CODEC = f"{CONTRACTS}.codec"  # msgspec: for the edges, not for contracts
RESILIENCE = "modules.platform.resilience"


def check_imports(
    tree: SourceTree, edges: Iterable[Edge], declarations: Mapping[str, Declaration]
) -> Iterator[Violation]:
    """What is wrong with each import by itself."""
    for edge in edges:
        for rule, fact, way_out in _judge(edge, declarations):
            yield Violation(
                path=tree.path_of(edge.importer),
                line=edge.line,
                rule=rule,
                fact=fact,
                way_out=way_out,
            )


Judgement = tuple[str, str, str]  # rule, fact, way out


def _judge(edge: Edge, declarations: Mapping[str, Declaration]) -> Iterator[Judgement]:
    top = edge.importer.partition(".")[0]
    if top == "strangler_proxy":
        yield from _proxy(edge)
    elif top == "extracted":
        yield from _standalone_host(edge)
    elif edge.imported.partition(".")[0] == "strangler_proxy":
        yield _proxy_is_nobodys(edge)
    elif top == "shop" and edge.imported.partition(".")[0] == "extracted":
        yield _host_beside_host(edge)
    elif top == "modules":
        yield from _module(edge, declarations)


def _module(edge: Edge, declarations: Mapping[str, Declaration]) -> Iterator[Judgement]:
    importer, imported = module_of_name(edge.importer), module_of_name(edge.imported)
    if importer == "platform":
        yield from _platform(edge)
    elif importer == CONTROL_PLANE:
        yield from control_plane.judge(edge)
    elif importer is None:
        return
    elif imported == importer:
        yield from _own_room(edge)
    elif imported is not None and imported not in NOT_BUSINESS:
        yield from _foreign(edge, importer, imported, declarations)
    else:
        yield from _outside(edge)


def _own_room(edge: Edge) -> Iterator[Judgement]:
    room, other = room_of(edge.importer), room_of(edge.imported)
    if room is None or other is None or may_import(room, other):
        return
    rules = ROOMS[kind_of(room)]
    yield (
        "rooms",
        f"{edge.importer} imports {edge.imported}: {room} may not import {other}",
        f"{rules.because}; it may import {', '.join(sorted(rules.own))} of its own module",
    )


def _foreign(
    edge: Edge, importer: str, imported: str, declarations: Mapping[str, Declaration]
) -> Iterator[Judgement]:
    room = room_of(edge.importer)
    declaration = declarations.get(importer)
    if room_of(edge.imported) != "contract":
        yield (
            "contract-only",
            f"{edge.importer} imports {edge.imported}, which is private to {imported}",
            f"ask through use() with a port of modules.{imported}.contract, or hear an event",
        )
    elif room is not None and not ROOMS[kind_of(room)].foreign:
        yield (
            "rooms",
            f"{edge.importer} imports the contract of {imported}: {room} may not",
            f"{ROOMS[kind_of(room)].because}; let the service translate",
        )
    elif declaration is not None and imported not in declaration.neighbours:
        yield (
            "undeclared-contract",
            f"{edge.importer} imports the contract of {imported}, which {importer} does not "
            f"declare",
            f"name its port in calls or its events in consumes in {declaration.path}, or do "
            f"without",
        )


def _outside(edge: Edge) -> Iterator[Judgement]:
    room = room_of(edge.importer)
    if room is None or not ROOMS[kind_of(room)].pure or edge.is_standard:
        return
    if within(edge.imported, CONTRACTS) and edge.imported != CODEC:
        return
    yield (
        f"{kind_of(room)}-purity",
        f"{edge.importer} imports {edge.imported}",
        f"{ROOMS[kind_of(room)].because}; outside its own module it may import the standard "
        f"library and {CONTRACTS}",
    )


def _platform(edge: Edge) -> Iterator[Judgement]:
    for part in (RESILIENCE, CONTRACTS):
        if not within(edge.importer, part) or edge.importer == CODEC or edge.is_standard:
            continue
        if not within(edge.imported, part) or edge.imported == CODEC:
            yield (
                "platform-purity",
                f"{edge.importer} imports {edge.imported}",
                f"{part} is shared with hosts without Django: standard library only",
            )


def _standalone_host(edge: Edge) -> Iterator[Judgement]:
    host = edge.importer.split(".")[1] if "." in edge.importer else ""
    imported = edge.imported.split(".")
    module = module_of_name(edge.imported)
    foreign_host = imported[0] in {"shop", "strangler_proxy"} or (
        imported[0] == "extracted" and len(imported) > 1 and imported[1] != host
    )
    foreign_room = module not in {None, host, "platform"} and room_of(edge.imported) != "contract"
    if foreign_host or foreign_room:
        yield (
            "host-closure",
            f"{edge.importer} imports {edge.imported}, which is not copied with the service",
            f"extracted.{host} stands on modules/{host}, the contracts and modules/platform",
        )


def _host_beside_host(edge: Edge) -> Judgement:
    return (
        "host-closure",
        f"{edge.importer} imports {edge.imported}: hosts stand beside each other",
        "what both need belongs in modules/platform/hosting",
    )


def _proxy(edge: Edge) -> Iterator[Judgement]:
    allowed = within(edge.imported, RESILIENCE) or within(edge.imported, "strangler_proxy")
    if edge.is_internal and not allowed:
        yield (
            "proxy-alone",
            f"{edge.importer} imports {edge.imported}",
            f"strangler_proxy stands alone: of the project it may import {RESILIENCE} only",
        )


def _proxy_is_nobodys(edge: Edge) -> Judgement:
    return (
        "proxy-alone",
        f"{edge.importer} imports {edge.imported}",
        "nobody imports the proxy: speak to it over HTTP, or move the code to modules.platform",
    )

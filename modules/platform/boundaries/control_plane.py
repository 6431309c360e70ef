"""Rules of the layer above the modules: extraction, which moves them and knows none from inside.

Its data half works on PostgreSQL alone, so that it can be proved without Django, and its rules of
phases are pure. All the rest is as free as a host is, but for the modules' interiors.
"""

from __future__ import annotations

from collections.abc import Iterator

from modules.platform.boundaries.graph import Edge
from modules.platform.boundaries.source import (
    CONTROL_PLANE,
    NOT_BUSINESS,
    module_of_name,
    room_of,
    within,
)

HOME = f"modules.{CONTROL_PLANE}"
PROTOCOL = f"{HOME}.protocol"
# What the data half may use besides the standard library and itself.
DRIVERS = ("psycopg", "structlog")
PURE = (f"{HOME}.phases", f"{HOME}.guards")

Judgement = tuple[str, str, str]  # rule, fact, way out


def judge(edge: Edge) -> Iterator[Judgement]:
    """What is wrong with one import of the control plane's."""
    imported = module_of_name(edge.imported)
    is_business = imported is not None and imported not in NOT_BUSINESS
    if is_business and room_of(edge.imported) not in {"contract", "module"}:
        yield (
            "contract-only",
            f"{edge.importer} imports {edge.imported}, which is private to {imported}",
            f"extraction works from modules.{imported}.module and the contract",
        )
    if edge.is_standard:
        return
    if within(edge.importer, PROTOCOL):
        yield from _protocol(edge)
    if edge.importer in PURE:
        yield from _pure(edge)


def _protocol(edge: Edge) -> Iterator[Judgement]:
    if not any(within(edge.imported, one) for one in (PROTOCOL, *DRIVERS)):
        yield (
            "protocol-purity",
            f"{edge.importer} imports {edge.imported}",
            f"the protocol is PostgreSQL and {' and '.join(DRIVERS)} alone: hand in what it needs",
        )


def _pure(edge: Edge) -> Iterator[Judgement]:
    if edge.imported not in PURE:
        yield (
            "phases-purity",
            f"{edge.importer} imports {edge.imported}",
            "phases and guards are pure, so that every way can be tried: facts are handed in",
        )

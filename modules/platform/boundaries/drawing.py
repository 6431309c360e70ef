"""The house drawn: who calls whom, and whose events go where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modules.platform.boundaries.declarations import Declaration


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """``frm`` calls ``to``'s port (``kind`` call), or ``to`` hears ``frm``'s events (event)."""

    kind: str
    frm: str
    to: str
    names: tuple[str, ...]


def arrows(declarations: Mapping[str, Declaration]) -> tuple[Arrow, ...]:
    """All calls, then all events, each by caller or source."""
    calls = [
        Arrow(kind="call", frm=one.name, to=ref.module, names=(ref.name,))
        for one in declarations.values()
        for ref in one.calls
    ]
    events = [
        Arrow(
            kind="event",
            frm=source,
            to=one.name,
            names=tuple(sorted(ref.name for ref in one.consumes if ref.module == source)),
        )
        for one in declarations.values()
        for source in sorted({ref.module for ref in one.consumes})
    ]
    return (*_sorted(calls), *_sorted(events))


def as_mermaid(declarations: Mapping[str, Declaration]) -> str:
    """A Mermaid flowchart: solid arrows are calls, dotted ones events."""
    lines = ["flowchart LR"]
    lines += [f"    {name}[{name}]" for name in sorted(declarations)]
    for one in arrows(declarations):
        arrow = "-->" if one.kind == "call" else f'-. "{"<br/>".join(one.names)}" .->'
        lines.append(f"    {one.frm} {arrow} {one.to}")
    return "\n".join(lines)


def as_text(declarations: Mapping[str, Declaration]) -> str:
    """One line an arrow."""
    drawn = arrows(declarations)
    width = max((len(one.frm) for one in drawn), default=0)
    return "\n".join(
        f"{one.frm:<{width}} {'-->' if one.kind == 'call' else '..>'} {one.to}"
        f"  {', '.join(one.names)}"
        for one in drawn
    )


RENDERERS = {"text": as_text, "mermaid": as_mermaid}


def _sorted(some: list[Arrow]) -> list[Arrow]:
    return sorted(some, key=lambda one: (one.frm, one.to))

"""Placements as text for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table

from modules.platform.placement.doors import Standing
from modules.platform.placement.placing import Change
from modules.platform.placement.showing import Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Which front doors were kept in step, and why it ended."""

    doors: tuple[str, ...]
    stopped_by: str


def overview_table(report: Overview) -> Table:
    """A line for each module."""
    found = Table()
    for name in ("module", "service", "revision", "instances", "front door"):
        found.add_column(name, no_wrap=True)
    found.add_column("last change", overflow="fold")
    found.add_column("trouble", overflow="fold")
    for one in report.modules:
        counts = (str(one.revision), str(one.instances))
        last = f"{one.changed_at:%Y-%m-%d %H:%M:%S}, {one.actor}: " if one.changed_at else ""
        said = (_doors_text(one.doors), last + one.reason, one.trouble)
        share = "all, with its data" if one.data_is_there else f"{one.percent} %"
        found.add_row(one.module, share, *counts, *said)
    return found


def change_text(report: Change) -> str:
    """What was done, and what the front doors do."""
    before, after = report.before, report.after
    if report.dry_run:
        line = f"would go from {before.percent} to {after.percent} % service"
    elif before == after:
        line = f"stays at {after.percent} % service, revision {after.revision}"
    else:
        line = f"{before.percent} -> {after.percent} % service, revision {after.revision}"
    lines = [f"{report.module}: {line}; {report.instances} instances live"]
    for one in report.doors:
        says = one.trouble or f"{one.phase} {one.percent} %"
        late = "" if one.follows or report.dry_run else ", does not follow yet"
        lines.append(f"front door {one.door}: {says}{late}")
    return "\n".join(lines)


def _doors_text(standings: Iterable[Standing]) -> str:
    return ", ".join(_door_text(one) for one in standings) or "none"


def _door_text(one: Standing) -> str:
    if one.trouble:
        return "away"
    share = f" {one.percent} %" if one.is_ours else ""
    return f"{one.phase}{share}" + ("" if one.follows else ", differs")

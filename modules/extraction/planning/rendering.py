"""Plans as text for people: all of them as a ranking, one of them in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modules.extraction.planning.plans import Link, Plan, Plans, Site

COLUMNS = (
    *("module", "phase", "blockers", "calls in/out", "in loops", "events in/out"),
    *("rows", "MB", "rows/s", "pause ms"),
)
SHOWN = 12  # sites of one kind; the rest is counted


def plans_text(report: Plans) -> RenderableType:
    """A ranking; of one module everything."""
    notes = [Text(note) for note in report.notes]
    if len(report.plans) == 1:
        return Group(Text("\n".join(_page(report.plans[0]))), _tables(report.plans[0]), *notes)
    found = Table(box=box.SIMPLE)
    for name in COLUMNS:
        found.add_column(name, no_wrap=True)
    for one in report.plans:
        found.add_row(*_summary(one))
    return Group(found, *notes)


def _summary(one: Plan) -> tuple[str, ...]:
    links, data = one.code.links, one.data
    return (
        one.module,
        one.phase,
        str(len(one.blockers)),
        f"{len(links.calls_in)} / {len(links.calls_out)}",
        str(len(one.code.chatty)),
        f"{len(links.events_in)} / {len(links.events_out)}",
        f"{data.rows:,}",
        f"{data.size / 1e6:,.1f}",
        f"{data.rate:,.1f}",
        f"{one.pause_ms:,.0f}",
    )


def _page(one: Plan) -> Iterator[str]:
    links, data = one.code.links, one.data
    yield f"{one.module} ({one.owner}), phase {one.phase}"
    yield from _sites("blockers", one.blockers)
    yield from _links("called by", links.calls_in)
    yield from _links("calls", links.calls_out)
    yield from _links("hears", links.events_in)
    yield from _links("is heard by", links.events_out)
    yield from _sites("calls in a loop", one.code.chatty)
    yield from _sites("calls inside a transaction", one.code.in_transaction)
    yield from _sites("operations without a key", one.code.unrepeatable)
    if one.seen.source:
        seen = one.seen
        yield (
            f"counted by {seen.source}: {seen.requests:,} requests, {seen.calls:,} calls of other "
            f"hosts, {seen.events_in:,} events in, {seen.events_out:,} out"
        )
    yield (
        f"data: {len(data.tables)} tables, {data.rows:,} rows, {data.size / 1e6:,.1f} MB, "
        f"{data.rate:,.1f} rows written a second (over {data.seconds:,.0f} s)"
    )
    yield (
        f"estimated pause of writes: {one.pause_ms:,.0f} ms (round trip "
        f"{data.round_trip * 1000:.2f} ms, oldest transaction {data.oldest * 1000:,.0f} ms)"
    )


def _tables(one: Plan) -> Table:
    found = Table("table", "rows", "MB", "written", "partitions")
    for table in one.data.tables:
        size = f"{table.size / 1e6:,.2f}"
        parts = str(table.parts or "")
        found.add_row(table.name, f"{table.rows:,}", size, f"{table.written:,}", parts)
    return found


def _links(title: str, links: Iterable[Link]) -> Iterator[str]:
    for one in links:
        places = ", ".join(site.place for site in one.sites[:SHOWN])
        yield f"{title} {one.module}: {one.name} ({places or 'declared only'})"


def _sites(title: str, sites: tuple[Site, ...]) -> Iterator[str]:
    yield f"{title}: {len(sites) or 'none'}"
    for one in sites[:SHOWN]:
        yield f"  {one.place}: {one.fact}"
    if len(sites) > SHOWN:
        yield f"  and {len(sites) - SHOWN} more"

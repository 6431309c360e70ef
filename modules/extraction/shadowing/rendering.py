"""Differences as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from modules.extraction.shadowing.differences import Fingerprint
from modules.extraction.shadowing.diffing import Differences, Rule
from modules.extraction.shadowing.invariants import Broken
from modules.extraction.shadowing.judging import State


def render(report: object) -> RenderableType:
    """What ``diff`` reports."""
    match report:
        case Differences():
            return differences_text(report)
        case Rule():
            return (
                f"{report.module}: {report.fingerprint} does not count until "
                f"{report.until:%Y-%m-%d %H:%M:%S} UTC: {report.reason}"
            )
        case Fingerprint():
            return f"{report.fingerprint} is looked after by {report.owner or 'nobody'}"
        case _:
            return str(report)


def differences_text(report: Differences) -> RenderableType:
    """A table of what differs, samples of what is open, then all in numbers."""
    parts: list[RenderableType] = []
    if report.fingerprints:
        parts.append(_table(report.fingerprints))
        parts.extend(_samples(one) for one in report.fingerprints if one.state is State.OPEN)
    return Group(*parts, Text("\n".join(_lines(report))))


def _table(fingerprints: tuple[Fingerprint, ...]) -> Table:
    # Folded, not cut: places and fingerprints are read, and typed again.
    names = ("fingerprint", "asked", "where", "how", "pairs", "state", "owner")
    found = Table(*(Column(name, overflow="fold") for name in names))
    for one in fingerprints:
        state = f"ignored until {one.until:%Y-%m-%d}" if one.until else str(one.state)
        found.add_row(
            one.fingerprint, one.route, one.place, one.way, f"{one.count:,}", state, one.owner
        )
    return found


def _samples(one: Fingerprint) -> Text:
    lines = [f"{one.fingerprint}, last seen {one.last_seen:%Y-%m-%d %H:%M:%S} UTC:"]
    for sample in one.samples:
        lines.append(f"  {sample.asked}  {sample.place}")
        lines.append(f"    monolith {sample.monolith}")
        lines.append(f"    service  {sample.service}")
    return Text("\n".join(lines))


def _lines(report: Differences) -> Iterator[str]:
    pairs = report.pairs
    yield (
        f"{report.module}, since {report.since:%Y-%m-%d %H:%M:%S} UTC: {report.compared:,} pairs "
        f"compared: {pairs.same:,} the same, {pairs.different:,} different, "
        f"{pairs.ignored:,} ignored, {pairs.noise:,} noise"
    )
    for why, count in sorted(pairs.not_compared.items()):
        yield f"  not compared: {count:,} ({why})"
    if pairs.runs:
        yield f"  asked of the monolith twice: {pairs.runs:,}"
    yield from map(_rule, report.broken)
    yield from (f"  later: {one}" for one in report.late)
    if not report.percent:
        yield "  nothing is mirrored now"
    if report.has_differences:
        yield f"Next: mend it, or diff {report.module} --ignore FINGERPRINT --days N --reason WHY"


def _rule(one: Broken) -> str:
    what = f"not known: {one.unknown}" if one.unknown else f"broken by {', '.join(one.keys)}"
    return f'  rule "{one.rule}" in the {one.side}\'s database: {what}'

"""Reports as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modules.extraction.following import Watched
from modules.extraction.guards import Guard, hints
from modules.extraction.healing import Examined, Fault
from modules.extraction.phases import Phase, Standing
from modules.extraction.planning.plans import Plans
from modules.extraction.planning.rendering import plans_text
from modules.extraction.receipts import UNKNOWN, Judgement
from modules.extraction.reports import Report
from modules.extraction.showing import Log, Shown, Status
from modules.extraction.verifying import Verified


def render(report: object) -> RenderableType:
    """Any report of the control plane."""
    match report:
        case Plans():
            return plans_text(report)
        case Status():
            return status_table(report)
        case Log():
            return log_table(report)
        case Judgement():
            return receipt_table(report)
        case Verified():
            return verified_text(report)
        case Watched():
            return _watched(report)
        case Examined():
            return _examined(report)
        case Report():
            return report_text(report)
        case _:
            return str(report)


def report_text(report: Report) -> RenderableType:
    """The guards, what was done, and what comes next."""
    lines = list(_lines(report))
    parts: list[RenderableType] = [guard_table(report.guards)] if report.guards else []
    return Group(*parts, Text("\n".join(lines)))


def _lines(report: Report) -> Iterator[str]:
    failed = [one.name for one in report.guards if not one.passes]
    if failed:
        yield f"{report.module}: {report.verb} is refused ({', '.join(failed)}); nothing changed."
        yield from (f"  - {line}" for line in hints(report.guards))
    elif report.dry_run:
        yield f"{report.module}: {report.verb} would"
        yield from (f"  - {line}" for line in report.would)
        yield "Nothing changed."
    else:
        yield f"{report.module}: {_moved(report)}"
        yield from (f"  - {line}" for line in report.did)
    if report.unfinished:
        yield f"Not finished: {report.unfinished}"
    if report.next_step:
        yield f"Next: {report.next_step}"


def _moved(report: Report) -> str:
    before, after = report.before, report.after
    if before == after:
        return f"{report.verb}, phase {standing_text(after)}"
    return f"{standing_text(before)} -> {standing_text(after)}"


def standing_text(standing: Standing) -> str:
    share = f" {standing.percent} %" if standing.phase is Phase.CANARY else ""
    return f"{standing.phase}{share}{' (paused)' if standing.paused else ''}"


def guard_table(guards: Iterable[Guard]) -> Table:
    """Have, need, pass."""
    found = Table("guard", "have", "need", "pass")
    for one in guards:
        found.add_row(one.name, one.have, one.need, "yes" if one.passes else "NO")
    return found


def status_table(report: Status) -> Table:
    """A line for each module."""
    found = Table("module", "phase", "epoch", "changes go", "databases", "since", "next")
    for one in report.modules:
        found.add_row(
            one.module,
            _phase(one),
            str(one.epoch),
            _carried(one),
            one.databases,
            f"{_time(one.since)}, {one.actor}: {one.reason}" if one.since else "",
            f"{one.busy.actor} is at it with {one.busy.verb} since {_time(one.busy.since)}"
            if one.busy
            else ", ".join(one.possible),
        )
    return found


def _carried(one: Shown) -> str:
    """Whither changes go; and whether they do."""
    wait = f", {one.lag:,} wait" if one.lag else ""
    stands = ", nobody carries them" if one.carried is False and not one.paused else ""
    return f"{one.direction.replace('_', ' ')}{wait}{stands}"


def _phase(one: Shown) -> str:
    share = f" {one.percent} %" if one.phase == Phase.CANARY else ""
    halted = f" (paused: {one.halted})" if one.halted else ""
    return f"{one.phase}{share}{' (paused)' if one.paused else halted}"


def log_table(report: Log) -> Table:
    """A line for each step, newest last."""
    found = Table("step", "module", "verb", "began", "seconds", "outcome", "who and why")
    for one in report.steps:
        taken = (one.ended_at - one.started_at).total_seconds() if one.ended_at else None
        outcome = one.outcome or "not ended"
        found.add_row(
            str(one.step),
            one.module,
            one.verb,
            _time(one.started_at),
            "" if taken is None else f"{taken:.2f}",
            f"{outcome}: {one.detail}" if one.detail else outcome,
            f"{one.actor}: {one.reason}",
        )
    return found


def receipt_table(report: Judgement) -> Table:
    """A line for each receipt, oldest first."""
    found = Table("module", "kind", "epoch", "committed", "pause ms", "key", "holds")
    for one in report.receipts:
        pause = UNKNOWN if one.pause_ms is None else f"{one.pause_ms:.1f}"
        holds = one.wrong or "yes"
        committed = one.committed_at[:19].replace("T", " ")
        found.add_row(one.module, one.kind, str(one.epoch), committed, pause, one.kid, holds)
    return found


def verified_text(report: Verified) -> RenderableType:
    """Tables that have rows or differ; then what was found."""
    found = Table("table", "monolith", "service", "sums", "looked at")
    for one in report.tables:
        sums = "equal" if one.equal else "DIFFER"
        if one.monolith or one.service or not one.equal:
            looked = f"{one.looked_at:,}"
            found.add_row(one.table, f"{one.monolith:,}", f"{one.service:,}", sums, looked)
    lines = [f"{one.kind}: {one.table} {one.key}" for one in report.samples]
    if report.has_differences:
        lines.append(f"{report.module}: {report.rows_differ:,} rows differ.")
    else:
        how = "row by row" if report.scrubbed_at else "by their sums"
        lines.append(f"{report.module}: {len(report.tables)} tables are the same {how}.")
    if report.next_step:
        lines.append(f"Next: {report.next_step}")
    return Group(found, Text("\n".join(lines)))


def _watched(report: Watched) -> str:
    healed = f"; healed: {', '.join(report.healed)}" if report.healed else ""
    return (
        f"{report.module}: {report.rows:,} changes were carried in {report.seconds:.1f} s; "
        f"phase {report.phase}{healed}"
    )


def _examined(report: Examined) -> str:
    lines = [
        f"{report.module}: the databases say {report.found}; written down is {report.phase}, "
        f"epoch {report.epoch}"
    ]
    for one in report.faults:
        lines.append(f"  - {one.fact}: {_became(report, one)}")
    if not report.faults:
        lines.append("Nothing is half done.")
    return "\n".join(lines)


def _became(report: Examined, one: Fault) -> str:
    if one.fact in report.left:
        return "it cannot be told; say it again when it is back"
    return f"{'done, ' if report.cured or report.left else 'would '}{one.cure}"


def _time(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}" if when else ""

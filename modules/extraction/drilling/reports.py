"""What a drill reports: pauses, faults, and whether anything was lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modules.extraction.drilling.faults import KILLED_WITHIN, STOPPED_WITHIN
from modules.platform.console import Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """How long writes waited, in milliseconds, over so many swaps or faults."""

    count: int
    p50: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One fault. ``state`` is what the databases said right after it, ``healed`` what they said
    in the end. ``pause_ms`` is from the fault to the next accepted write. ``wrong`` says what did
    not hold, ``missed`` whether the pause was longer than ``bound_ms``.
    """

    fault: str
    how: str
    reached: bool
    state: str
    healed: str
    pause_ms: float
    bound_ms: float
    wrong: str

    @property
    def missed(self) -> bool:
        return self.reached and self.pause_ms > self.bound_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """``clean`` are the pauses as the writers saw them, from the fence's commit to the first
    accepted write on the other side; ``own`` what of them the protocol took.
    """

    module: str
    rounds: int
    swaps: int
    rows: int
    writes: int
    writes_per_second: float
    churned: tuple[str, ...]  # tables whose rows were written as well
    seconds: float
    clean: Pauses
    own: Pauses
    killed: Pauses | None
    stopped: Pauses | None
    faults: tuple[Tried, ...]
    wrong: tuple[str, ...]

    @property
    def missed(self) -> tuple[str, ...]:
        """Bounds that did not hold."""
        return tuple(
            f"{one.fault}: {one.pause_ms:.0f} ms, bound {one.bound_ms:.0f} ms"
            for one in self.faults
            if one.missed
        )

    @property
    def exit_code(self) -> Exit:
        return Exit.DIFFERENCES if self.wrong or self.missed else Exit.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldDrill:
    """What a dry run says: where, how much, how often."""

    module: str
    place: str
    rows: int
    megabytes: float
    rounds: int
    faults: int
    exit_code: Exit = Exit.DONE


def pauses(figures: Sequence[float]) -> Pauses | None:
    """Their distribution; None where there are none."""
    if not figures:
        return None
    ranked = sorted(figures)
    return Pauses(
        count=len(ranked),
        p50=round(ranked[len(ranked) // 2], 1),
        p99=round(ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))], 1),
        max=round(ranked[-1], 1),
    )


def render(report: Drilled | WouldDrill) -> RenderableType:
    """For people."""
    if isinstance(report, WouldDrill):
        return (
            f"{report.module}: a drill would copy {report.rows:,} rows ({report.megabytes:.1f} MB) "
            f"twice to {report.place}, swap {report.rounds} times there and back, and try "
            f"{report.faults} faults.\nNothing changed."
        )
    parts: list[RenderableType] = [_pause_table(report)]
    if report.faults:
        parts.append(_fault_table(report.faults))
    return Group(*parts, Text("\n".join(_lines(report))))


def _pause_table(report: Drilled) -> Table:
    found = Table("pause of writes, ms", "times", "p50", "p99", "max", "bound")
    rows = (
        ("swaps, as writers saw them", report.clean, ""),
        ("  of it in the protocol", report.own, ""),
        ("after a kill", report.killed, f"{KILLED_WITHIN:.0f}"),
        ("after a stop", report.stopped, f"{STOPPED_WITHIN:.0f}"),
    )
    for name, one, bound in rows:
        if one is not None:
            figures = (f"{value:.1f}" for value in (one.p50, one.p99, one.max))
            found.add_row(name, str(one.count), *figures, bound)
    return found


def _fault_table(faults: Sequence[Tried]) -> Table:
    found = Table("fault", "databases said", "healed to", "pause ms", "holds")
    for one in faults:
        if not one.reached:
            found.add_row(one.fault, "-", one.healed, "", "the swap did not come by there")
            continue
        holds = one.wrong or ("LATE" if one.missed else "yes")
        found.add_row(one.fault, one.state, one.healed, f"{one.pause_ms:.0f}", holds)
    return found


def _lines(report: Drilled) -> Iterator[str]:
    yield (
        f"{report.module}: {report.swaps} swaps and {len(report.faults)} faults over "
        f"{report.rows:,} rows in {report.seconds:.0f} s"
    )
    yield (
        f"{report.writes:,} writes of 4 rows were accepted, {report.writes_per_second:.0f} a "
        f"second; with rows of {', '.join(report.churned) or 'no table of the module'}"
    )
    yield from (f"MISSED: {line}" for line in report.missed)
    yield from (f"WRONG: {line}" for line in report.wrong)
    if not report.wrong:
        yield "No write was lost, doubled or stray; digests and all rows are equal."

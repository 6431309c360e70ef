"""Judgements as text for people."""

from __future__ import annotations

from rich.table import Table

from modules.extraction.analysis.judging import Judgement


def judgement_table(judgement: Judgement, title: str = "") -> Table:
    """A line for each measure: both sides, on how many, and what that says."""
    one_side, other = judgement.sides
    found = Table("measure", one_side, "of", other, "of", "p", "says", "", title=title or None)
    for one in judgement.lines:
        found.add_row(
            one.measure,
            one.canary,
            f"{one.canary_count:,}",
            one.monolith,
            f"{one.monolith_count:,}",
            "" if one.p is None else f"{one.p:.2g}",
            one.verdict.value,
            one.note,
        )
    return found


def judgement_line(judgement: Judgement) -> str:
    """The same, on one line: for where there is no table."""
    said = (f"{one.measure} {one.canary}/{one.monolith or '-'}" for one in judgement.lines)
    return f"{judgement.verdict}: {', '.join(said)}"

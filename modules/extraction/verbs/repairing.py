"""``repair``: what it is called with, and whom it calls."""

from __future__ import annotations

from argparse import ArgumentParser

from modules.extraction.protocol.repairing import MOST
from modules.extraction.repairing import repair_rows
from modules.extraction.reports import Report
from modules.extraction.verbs.verb import Call, Verb
from modules.platform.console import CommandFailed, Exit

LIMIT = 10_000  # rows: each is named on record


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--most",
        type=int,
        default=MOST,
        metavar="ROWS",
        help="Refuse, with nothing changed, where more differ: something else is wrong then.",
    )


def _repair(call: Call) -> Report:
    most = call.options["most"]
    if not 0 <= most <= LIMIT:
        raise CommandFailed(f"--most is 0 to {LIMIT} rows", exit_code=Exit.USAGE)
    return repair_rows(call.ask, most=most)


VERBS = (
    Verb(
        name="repair",
        help="Make rows that were written around the triggers the authority's again",
        run=_repair,
        arguments=_arguments,
        asks=True,
    ),
)

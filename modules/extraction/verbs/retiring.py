"""``retire``: what it is called with, and whom it calls."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta

from modules.extraction.reports import Report
from modules.extraction.retiring.retire import AFTER, retire
from modules.extraction.verbs.verb import Call, Verb
from modules.platform.console import CommandFailed, Exit


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--after",
        type=float,
        default=AFTER.total_seconds() / 3600,
        metavar="HOURS",
        help="Not before it was the service's for so long; 0: at once.",
    )


def _retire(call: Call) -> Report:
    hours = call.options["after"]
    if hours < 0:
        raise CommandFailed("--after is 0 hours or more", exit_code=Exit.USAGE)
    return retire(call.ask, after=timedelta(hours=hours))


VERBS = (
    Verb(
        name="retire",
        help="Archive the monolith's copy and drop it; no way leads back",
        run=_retire,
        arguments=_arguments,
        asks=True,
    ),
)

"""``manage.py placement show|set|follow``: where modules' work is done, changed and kept so."""

from __future__ import annotations

import sys
from argparse import SUPPRESS
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from modules.platform.console import CommandFailed, ConsoleCommand, Exit, stop_by_signal
from modules.platform.placement.attending import Attendance
from modules.platform.placement.doors import doors
from modules.platform.placement.errors import (
    NoSuchModule,
    NotExtractable,
    PercentOutOfRange,
    ReasonMissing,
)
from modules.platform.placement.following import Follower
from modules.platform.placement.placing import Change, place
from modules.platform.placement.rendering import Followed, change_text, overview_table
from modules.platform.placement.showing import Overview, overview

WRONG = (NoSuchModule, NotExtractable, PercentOutOfRange, ReasonMissing)  # of the question


class Command(ConsoleCommand):
    help = "Show where modules' work is done, move a share of it to the service, or back."
    takes_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        show = verbs.add_parser("show", help="All that may be moved, or one")
        show.add_argument("module", nargs="?", metavar="MODULE")
        set_ = verbs.add_parser(
            "set", help="Have the service do so many percent of a module's work"
        )
        set_.add_argument("module", metavar="MODULE")
        set_.add_argument("--percent", type=int, required=True, help="0: all here; 100: none.")
        set_.add_argument("--reason", default="", help="Why; kept in the log.")
        set_.add_argument("--expect", type=int, metavar="REVISION", help="Only if it stands there.")
        set_.add_argument("--dry-run", action="store_true", default=SUPPRESS)
        follow = verbs.add_parser(
            "follow", help="Make the front doors follow, and watch the services' workers"
        )
        for verb in (show, set_, follow):
            # Also after the verb; SUPPRESS, lest its default undo what stands before it.
            verb.add_argument("--json", action="store_true", default=SUPPRESS, help="As JSON.")

    def run(self, *, verb: str, **options: Any) -> Overview | Change | Followed:
        if verb == "follow":
            return _follow()
        try:
            if verb == "show":
                return overview(options["module"])
            return place(
                options["module"],
                percent=options["percent"],
                reason=options["reason"],
                expected=options["expect"],
                dry_run=options["dry_run"],
            )
        except WRONG as error:
            raise CommandFailed(str(error), exit_code=Exit.USAGE) from error

    def render(self, report: Any) -> RenderableType:
        if isinstance(report, Overview):
            return overview_table(report)
        if isinstance(report, Change):
            return change_text(report)
        return f"placement: stopped by {report.stopped_by}"


def _follow() -> Followed:
    stop = stop_by_signal()
    urls = tuple(door.url for door in doors())
    if not urls:
        raise CommandFailed(
            "no front door to tell: set PLACEMENT_FRONT_DOORS", exit_code=Exit.USAGE
        )
    sys.stderr.write(f"placement: {', '.join(urls)} follow\n")
    Follower(doors, attendance=Attendance()).run(stop)
    return Followed(doors=urls, stopped_by=stop.by)

"""The verbs that move a module, or hold it still: what they are called with, and whom they call."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

from rich.console import RenderableType

from modules.extraction.canarying import canary
from modules.extraction.creating import cancel, create
from modules.extraction.filling import backfill
from modules.extraction.following import Watched, watch
from modules.extraction.healing import doctor
from modules.extraction.pausing import pause, resume
from modules.extraction.raising import Raised, raise_shares, raised_text
from modules.extraction.rendering import render
from modules.extraction.reports import Report
from modules.extraction.swapping import cutover, rollback
from modules.extraction.verbs.raising import plan_of, raising_arguments
from modules.extraction.verbs.verb import Call, Verb
from modules.extraction.verifying import Verified, verify
from modules.platform.console import CommandFailed, Exit, stop_by_signal


def _create_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        metavar="FILE",
        default="",
        help="The connection string of an empty database is in FILE (- is stdin); "
        "without it one is made on the monolith's server.",
    )


def _canary_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--percent", type=int, help="0: all in the monolith. With --auto the share to begin with."
    )
    parser.add_argument(
        "--auto", action="store_true", help="Raise step by step while the analysis holds."
    )
    raising_arguments(parser)


def _verify_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="Sums only; no row is looked at.")


def _create(call: Call) -> Report:
    return create(call.ask, given=_address(call.options["database"]))


def _canary(call: Call) -> Report | Raised:
    percent = call.options["percent"]
    if call.options["auto"]:
        return raise_shares(call.ask, plan_of(call, begin=percent))
    if percent is None:
        raise CommandFailed("say --percent, or --auto", exit_code=Exit.USAGE)
    return canary(call.ask, percent=percent)


def _render_canary(report: Report | Raised) -> RenderableType:
    return raised_text(report) if isinstance(report, Raised) else render(report)


def _verify(call: Call) -> Verified:
    return verify(call.ask, quick=call.options["quick"])


def _watch(call: Call) -> Watched:
    return watch(call.ask, stop_by_signal(), tell=call.shown.standing)


def _address(file: str) -> str:
    """The first line of a file; a connection string has a password, so it is no argument."""
    if not file:
        return ""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except OSError as error:
        raise CommandFailed(str(error), exit_code=Exit.USAGE) from error
    return text.strip().partition("\n")[0]


VERBS = (
    Verb(
        name="create",
        help="Make the service's database and keep it current; nothing moves yet",
        run=_create,
        arguments=_create_arguments,
    ),
    Verb(
        name="backfill",
        help="Copy all rows, resumably, and catch up",
        run=lambda call: backfill(call.ask),
    ),
    Verb(
        name="watch",
        help="Carry changes and show how it stands, until Ctrl-C",
        run=_watch,
        reason="watch",
    ),
    Verb(
        name="verify",
        help="Compare both sides, row by row",
        run=_verify,
        arguments=_verify_arguments,
        reason="verify",
    ),
    Verb(
        name="canary",
        help="Have the service do so many percent of the work, on the monolith's data",
        run=_canary,
        arguments=_canary_arguments,
        render=_render_canary,
    ),
    Verb(
        name="cutover",
        help="Give the data to the service",
        run=lambda call: cutover(call.ask),
        asks=True,
    ),
    Verb(
        name="rollback",
        help="Take back the last step, with all that was written since",
        run=lambda call: rollback(call.ask),
        asks=True,
    ),
    Verb(
        name="pause",
        help="Let copy and streams stand still",
        run=lambda call: pause(call.ask),
    ),
    Verb(name="resume", help="Let them go on", run=lambda call: resume(call.ask)),
    Verb(
        name="cancel",
        help="Undo create, completely",
        run=lambda call: cancel(call.ask),
        asks=True,
    ),
    Verb(
        name="doctor",
        help="Derive from both databases where everything stands, and heal what is half done",
        run=lambda call: doctor(call.ask),
    ),
)

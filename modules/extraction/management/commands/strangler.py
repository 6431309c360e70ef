"""``manage.py strangler VERB MODULE``: a module moved out into its service, and taken back."""

from __future__ import annotations

import signal
import sys
import threading
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from django.core.management.base import CommandParser
from rich.console import Console, RenderableType

from modules.extraction import receipts, showing
from modules.extraction.canarying import canary
from modules.extraction.creating import cancel, create
from modules.extraction.errors import NoSuchModule, ReasonMissing
from modules.extraction.filling import backfill
from modules.extraction.following import Watched, watch
from modules.extraction.healing import Examined, doctor
from modules.extraction.pausing import pause, resume
from modules.extraction.planning.plans import Plans
from modules.extraction.planning.readiness import plan
from modules.extraction.progress import Shown
from modules.extraction.protocol import ProtocolError
from modules.extraction.rendering import render, report_text
from modules.extraction.reports import Report
from modules.extraction.routing.doors import DoorAway
from modules.extraction.steps import Ask
from modules.extraction.swapping import cutover, rollback
from modules.extraction.verifying import Verified, verify
from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from modules.platform.placement.errors import PercentOutOfRange

WRONG = (NoSuchModule, ReasonMissing, PercentOutOfRange)  # of the question
ASKS = frozenset({"cancel", "cutover", "rollback"})  # whether it is meant, before they begin
HELP = {
    "plan": "What moving would take: of all, or of one",
    "create": "Make the service's database and keep it current; nothing moves yet",
    "status": "Where all that may be moved stand, or one",
    "watch": "Carry changes and show how it stands, until Ctrl-C",
    "backfill": "Copy all rows, resumably, and catch up",
    "verify": "Compare both sides, row by row",
    "canary": "Have the service do so many percent of the work, on the monolith's data",
    "cutover": "Give the data to the service",
    "rollback": "Take back the last step, with all that was written since",
    "pause": "Let copy and streams stand still",
    "resume": "Let them go on",
    "cancel": "Undo create, completely",
    "log": "The steps that were taken, newest last; or the receipts, verified",
    "doctor": "Derive from both databases where everything stands, and heal what is half done",
}


class Command(ConsoleCommand):
    help = "Move a module out into its service while it works, and take it back."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, text in HELP.items():
            verb = verbs.add_parser(name, help=text, description=f"{text}.")
            # Also after the verb; SUPPRESS, lest its default undo what stands before it.
            verb.add_argument("--json", action="store_true", default=SUPPRESS, help="As JSON.")
            if name in {"plan", "status", "log"}:
                verb.add_argument("module", nargs="?", metavar="MODULE")
            else:
                verb.add_argument("module", metavar="MODULE")
                _add_changing(verb, name)
            getattr(self, f"_add_{name}", lambda verb: None)(verb)

    def _add_plan(self, verb: ArgumentParser) -> None:
        verb.add_argument(
            "--seconds", type=float, default=0.0, help="Watch writes for so long; 0: on average."
        )
        verb.add_argument("--metrics", default="", metavar="URL", help="A running host's /metrics.")

    def _add_log(self, verb: ArgumentParser) -> None:
        verb.add_argument("--last", type=int, default=50, help="So many steps.")
        verb.add_argument(
            "--receipts", action="store_true", help="The receipts, and whether each holds."
        )

    def _add_create(self, verb: ArgumentParser) -> None:
        verb.add_argument(
            "--database",
            metavar="FILE",
            default="",
            help="The connection string of an empty database is in FILE (- is stdin); "
            "without it one is made on the monolith's server.",
        )

    def _add_canary(self, verb: ArgumentParser) -> None:
        verb.add_argument("--percent", type=int, required=True, help="0: all in the monolith.")

    def _add_verify(self, verb: ArgumentParser) -> None:
        verb.add_argument("--quick", action="store_true", help="Sums only; no row is looked at.")

    def run(self, *, verb: str, **options: Any) -> Any:
        try:
            if verb in {"plan", "status", "log"}:
                return getattr(self, f"_{verb}")(**options)
            with Shown(verb, options["module"]) as shown:
                return self._changed(verb, shown, **options)
        except WRONG as error:
            raise CommandFailed(str(error), exit_code=Exit.USAGE) from error
        except (ProtocolError, DoorAway, TimeoutError) as error:
            raise CommandFailed(f"{verb} is not done: {error}") from error

    def render(self, report: Any) -> RenderableType:
        return render(report)

    def interrupted(self) -> str:
        return "stopped; what was reached is kept, and the same command goes on there."

    def _plan(self, *, module: str | None, seconds: float, metrics: str) -> Plans:
        try:
            return plan(module, seconds=seconds, metrics=metrics)
        except (httpx.HTTPError, ValueError) as error:
            raise CommandFailed(f"{metrics} cannot be read: {error}") from error

    def _status(self, *, module: str | None) -> showing.Status:
        return showing.status(module)

    def _log(
        self, *, module: str | None, last: int, receipts: bool
    ) -> showing.Log | receipts.Judgement:
        return _judged(module) if receipts else showing.log_of(module, last=last)

    def _changed(
        self, verb: str, shown: Shown, *, yes: bool, **options: Any
    ) -> Report | Verified | Watched | Examined:
        ask = Ask(
            module=options["module"],
            reason=options["reason"],
            dry_run=options["dry_run"],
            timeout=options["timeout"],
            progress=shown.at,
        )
        if verb in ASKS and not ask.dry_run and not yes:
            refused = _meant(verb, ask)
            if refused is not None:
                return refused
        match verb:
            case "create":
                return create(ask, given=_address(options["database"]))
            case "canary":
                return canary(ask, percent=options["percent"])
            case "verify":
                return verify(ask, quick=options["quick"])
            case "watch":
                return watch(ask, _until_stopped(), tell=shown.standing)
            case _:
                return USE_CASES[verb](ask)


USE_CASES: dict[str, Callable[[Ask], Report | Examined]] = {
    "backfill": backfill,
    "cancel": cancel,
    "cutover": cutover,
    "doctor": doctor,
    "pause": pause,
    "resume": resume,
    "rollback": rollback,
}


def _add_changing(verb: ArgumentParser, name: str) -> None:
    verb.add_argument("--dry-run", action="store_true", help="Look and say; change nothing.")
    verb.add_argument("--yes", action="store_true", help="Do not ask whether it is meant.")
    verb.add_argument("--timeout", type=float, metavar="SECONDS", help="For all of it.")
    default = name if name in {"verify", "watch"} else ""  # they decide nothing
    verb.add_argument("--reason", default=default, help="Why; kept on record.")


def _judged(module: str | None) -> receipts.Judgement:
    return receipts.judge(module)


def _address(file: str) -> str:
    """The first line of a file; a connection string has a password, so it is no argument."""
    if not file:
        return ""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except OSError as error:
        raise CommandFailed(str(error), exit_code=Exit.USAGE) from error
    return text.strip().partition("\n")[0]


def _meant(verb: str, ask: Ask) -> Report | None:
    """Ask at a terminal; the report that says why not, where its guards do not pass anyway.

    Raises CommandFailed when nobody can be asked, or the answer is no.
    """
    ask.check()
    looked = USE_CASES[verb](
        Ask(module=ask.module, reason=ask.reason, dry_run=True, timeout=ask.timeout)
    )
    assert isinstance(looked, Report)  # noqa: S101 - the three that ask give one
    if looked.exit_code:
        return looked
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"{verb} asks whether it is meant, and nobody is there to answer: say --yes",
            exit_code=Exit.USAGE,
        )
    Console(stderr=True).print(report_text(looked))
    sys.stderr.write(f"{verb} {ask.module}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandFailed("nothing was done", exit_code=Exit.FAILED)
    return None


def _until_stopped() -> threading.Event:
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return stop

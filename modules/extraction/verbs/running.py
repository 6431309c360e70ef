"""``run``: all phases in one command."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import replace
from functools import partial

from modules.extraction.raising import unseen
from modules.extraction.running.beside import stands
from modules.extraction.running.reports import Ran, ran_text
from modules.extraction.running.running import SHADOW, WAIT, WATCH, Course, run
from modules.extraction.running.scene import shown
from modules.extraction.running.stages import LAST_OF, OPTIONAL, Stage
from modules.extraction.verbs.raising import plan_of, raising_arguments
from modules.extraction.verbs.verb import Call, Verb
from modules.platform.console import CommandFailed, Exit


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--auto", action="store_true", help="Ask nothing; needed to go.")
    parser.add_argument(
        "--to", choices=list(LAST_OF), default=Stage.WATCH.value, help="Stop when that is done."
    )
    parser.add_argument(
        "--skip",
        action="append",
        default=[],
        choices=[one.value for one in OPTIONAL],
        help="Leave it out; may be repeated.",
    )
    raising_arguments(parser)
    for name, seconds, words in (
        ("shadow", SHADOW, "Of mirrored reads before the canary."),
        ("watch", WATCH, "After the cutover; up to --longest while too few have come."),
        ("wait", WAIT, "For guards that come true by themselves."),
    ):
        parser.add_argument(f"--{name}", type=float, default=seconds, metavar="SECONDS", help=words)


def _run(call: Call) -> Ran:
    said = call.options
    if not said["auto"] and not call.ask.dry_run:
        raise CommandFailed(
            "run goes through all phases and asks nothing: say --auto, or say the verbs one by one",
            exit_code=Exit.USAGE,
        )
    course = Course(
        to=LAST_OF[said["to"]],
        skip=frozenset(map(Stage, said["skip"])),
        shares=replace(plan_of(call), tell=unseen),
        shadow=said["shadow"],
        watch=said["watch"],
        wait=said["wait"],
    )
    call.ask.check()
    with shown(call.ask.module, partial(stands, call.ask.module)) as scene:
        return run(call.ask, course, scene)


VERBS = (
    Verb(
        name="run",
        help="Go through all phases, each with its guards, and report",
        run=_run,
        arguments=_arguments,
        render=ran_text,
    ),
)

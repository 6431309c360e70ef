"""``drill``: what it is called with, and whom it calls."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction

from modules.extraction.drilling.drill import ROUNDS, WRITES, drill
from modules.extraction.drilling.faults import FAULTS
from modules.extraction.drilling.reports import Drilled, WouldDrill, render
from modules.extraction.verbs.verb import Call, Verb
from modules.platform.console import CommandFailed, Exit

MOST_ROUNDS, MOST_WRITES = 1000, 5000.0


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="Swaps there and back.")
    parser.add_argument(
        "--kills",
        action=BooleanOptionalAction,
        default=True,
        help="Kill and stop processes at every step, too.",
    )
    parser.add_argument(
        "--writes", type=float, default=WRITES, metavar="PER_SECOND", help="Of the writers."
    )


def _drill(call: Call) -> Drilled | WouldDrill:
    options = call.options
    if not 1 <= options["rounds"] <= MOST_ROUNDS or not 1 <= options["writes"] <= MOST_WRITES:
        raise CommandFailed(
            f"rounds are 1 to {MOST_ROUNDS}, writes 1 to {MOST_WRITES:g} a second",
            exit_code=Exit.USAGE,
        )
    return drill(
        call.ask,
        rounds=options["rounds"],
        writes=options["writes"],
        faults=FAULTS if options["kills"] else (),
    )


VERBS = (
    Verb(
        name="drill",
        help="Rehearse cutover and rollback on a copy, with processes killed at every step",
        run=_drill,
        arguments=_arguments,
        reason="drill",
        render=render,
    ),
)

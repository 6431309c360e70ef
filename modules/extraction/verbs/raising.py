"""What a canary that raises itself is called with, alone and within ``run``."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

from modules.extraction.analysis.bounds import HOLD, STEPS
from modules.extraction.analysis.rendering import judgement_line
from modules.extraction.raising import Look, Plan
from modules.extraction.verbs.verb import Call


def raising_arguments(parser: ArgumentParser) -> None:
    """``--steps``, ``--hold``, ``--longest`` and ``--metrics``."""
    parser.add_argument(
        "--steps",
        type=shares,
        default=STEPS,
        metavar="5,25,...",
        help="Shares in percent, one after the other.",
    )
    parser.add_argument(
        "--hold", type=float, default=HOLD, metavar="SECONDS", help="For each share."
    )
    parser.add_argument(
        "--longest",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="For each share, while too few have come to say anything.",
    )
    parser.add_argument(
        "--metrics", default="", metavar="URL", help="A host's /metrics, for calls of the module."
    )


def shares(text: str) -> tuple[int, ...]:
    """``5,25,100``. Raises ArgumentTypeError."""
    try:
        return tuple(int(one) for one in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no list of shares like 5,25,100") from None


def plan_of(call: Call, *, begin: int | None = None) -> Plan:
    """As it was said. ``begin`` is the first share; smaller ones are left out."""
    steps: tuple[int, ...] = call.options["steps"]
    if begin is not None:
        steps = (begin, *(one for one in steps if one > begin))

    def tell(look: Look) -> None:
        left = f"{look.remaining:.0f} s left"
        call.shown.say(f"{look.percent} %, {left}: {judgement_line(look.judgement)}")

    return Plan(
        steps=steps,
        hold=call.options["hold"],
        longest=call.options["longest"],
        metrics=call.options["metrics"],
        tell=tell,
    )

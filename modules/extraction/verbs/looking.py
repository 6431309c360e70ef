"""``plan``, ``status`` and ``log``: they change nothing."""

from __future__ import annotations

from argparse import ArgumentParser

import httpx

from modules.extraction import showing
from modules.extraction.planning.plans import Plans
from modules.extraction.planning.readiness import plan
from modules.extraction.receipts import Judgement, judge
from modules.extraction.verbs.verb import Look
from modules.platform.console import CommandFailed


def _plan_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="Watch writes for so long; 0: on average."
    )
    parser.add_argument("--metrics", default="", metavar="URL", help="A running host's /metrics.")


def _log_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--last", type=int, default=50, help="So many steps.")
    parser.add_argument(
        "--receipts", action="store_true", help="The receipts, and whether each holds."
    )


def _plan(module: str | None, *, seconds: float, metrics: str) -> Plans:
    try:
        return plan(module, seconds=seconds, metrics=metrics)
    except (httpx.HTTPError, ValueError) as error:
        raise CommandFailed(f"{metrics} cannot be read: {error}") from error


def _log(module: str | None, *, last: int, receipts: bool) -> showing.Log | Judgement:
    return judge(module) if receipts else showing.log_of(module, last=last)


VERBS = (
    Look(
        name="plan",
        help="What moving would take: of all, or of one",
        run=_plan,
        arguments=_plan_arguments,
    ),
    Look(
        name="status",
        help="Where all that may be moved stand, or one",
        run=showing.status,
    ),
    Look(
        name="log",
        help="The steps that were taken, newest last; or the receipts, verified",
        run=_log,
        arguments=_log_arguments,
    ),
)

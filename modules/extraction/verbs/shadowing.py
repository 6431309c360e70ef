"""``shadow`` and ``diff``: reads asked of both sides, and in what the answers differ."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from datetime import UTC, datetime, time, timedelta
from typing import Any

from modules.extraction.reports import Report
from modules.extraction.shadowing.differences import Fingerprint
from modules.extraction.shadowing.diffing import Differences, Rule, assign, diff, ignore
from modules.extraction.shadowing.errors import NoSuchFingerprint, OutOfRange
from modules.extraction.shadowing.rendering import render
from modules.extraction.shadowing.switching import LEARN, shadow
from modules.extraction.verbs.verb import Call, Verb
from modules.platform.console import CommandFailed, Exit

_AGO = re.compile(r"(\d+)([smhd])").fullmatch
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=366)  # for a rule: one that never ends is a hole in the check


def _shadow_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--percent", type=int, required=True, help="Of its reads; 0 ends it.")
    parser.add_argument(
        "--commands", type=int, default=0, metavar="PERCENT", help="Of them, repeated dry."
    )
    parser.add_argument(
        "--learn",
        type=float,
        default=LEARN,
        metavar="SECONDS",
        help="Of every ten minutes: the monolith is asked twice, to learn what is noise.",
    )
    parser.add_argument(
        "--show",
        action="append",
        default=[],
        metavar="MEMBER",
        help="Show values of this member of answers, though it looks personal; may be repeated.",
    )
    parser.add_argument("--owner", default="", help="Who looks after what is found.")


def _diff_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--since", default="", metavar="WHEN", help="2026-11-20T15:00Z, or 30m, 2h, 7d ago."
    )
    parser.add_argument("--ignore", default="", metavar="FINGERPRINT", help="Let it not count.")
    parser.add_argument("--until", default="", metavar="DATE", help="To ignore it so long.")
    parser.add_argument("--days", type=int, metavar="N", help="The same, in days from now.")
    parser.add_argument("--of", default="", metavar="FINGERPRINT", help="For --owner.")
    parser.add_argument("--owner", default="", help="Who looks after it.")


def _shadow(call: Call) -> Report:
    said = call.options
    if said["learn"] < 0:
        raise CommandFailed("--learn is 0 seconds or more", exit_code=Exit.USAGE)
    return shadow(
        call.ask,
        percent=said["percent"],
        commands=said["commands"],
        learn=said["learn"],
        show=tuple(said["show"]),
        owner=said["owner"],
    )


def _diff(call: Call) -> Differences | Rule | Fingerprint:
    said, now = call.options, datetime.now(UTC)
    try:
        if said["ignore"]:
            return ignore(call.ask, said["ignore"], _end(said, now))
        if said["of"]:
            return assign(call.ask, said["of"], said["owner"])
        since = moment(said["since"], now) if said["since"] else None
        return diff(call.ask.module, since=since)
    except (NoSuchFingerprint, OutOfRange) as error:
        raise CommandFailed(str(error), exit_code=Exit.USAGE) from error


def _end(said: Any, now: datetime) -> datetime:
    """When a rule is over. Raises OutOfRange."""
    if bool(said["until"]) == (said["days"] is not None):
        raise OutOfRange(what="the end of the rule", said="unclear", need="--until or --days")
    until = now + timedelta(days=min(said["days"], 9999)) if said["until"] == "" else None
    until = until or _read(said["until"], "--until")
    if until - now > LONGEST:
        raise OutOfRange(what="the end of the rule", said=str(until), need="within a year")
    return until


def moment(text: str, now: datetime) -> datetime:
    """A moment, or so long before ``now``. Raises OutOfRange."""
    ago = _AGO(text)
    if ago is not None:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    return _read(text, "--since")


def _read(text: str, what: str) -> datetime:
    """ISO 8601; without a zone UTC, without a time midnight."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise OutOfRange(what=what, said=repr(text), need="a date, or a moment") from error
    if len(text) == len("2026-11-20"):
        found = datetime.combine(found, time())
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


VERBS = (
    Verb(
        name="shadow",
        help="Ask the service too what the monolith is asked, and compare; clients never wait",
        run=_shadow,
        arguments=_shadow_arguments,
    ),
    Verb(
        name="diff",
        help="In what the two sides differ; or let a difference not count for a while",
        run=_diff,
        arguments=_diff_arguments,
        render=render,
    ),
)

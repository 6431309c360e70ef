"""``manage.py strangler VERB MODULE``: a module moved out into its service, and taken back."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console, RenderableType

from modules.extraction.errors import NoSuchModule, ReasonMissing
from modules.extraction.progress import Shown
from modules.extraction.protocol import ProtocolError
from modules.extraction.routing.doors import DoorAway
from modules.extraction.steps import Ask
from modules.extraction.verbs import VERBS, Call, Look, Verb
from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from modules.platform.placement.errors import PercentOutOfRange

WRONG = (NoSuchModule, ReasonMissing, PercentOutOfRange)  # of the question


class Command(ConsoleCommand):
    help = "Move a module out into its service while it works, and take it back."

    def add_arguments(self, parser: CommandParser) -> None:
        words = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for verb in VERBS.values():
            verb.add_to(words.add_parser(verb.name, help=verb.help, description=f"{verb.help}."))

    def run(self, *, verb: str, module: str | None, **options: Any) -> Any:
        said = VERBS[verb]
        self._said = said
        try:
            if isinstance(said, Look):
                return said.run(module, **options)
            with Shown(verb, str(module)) as shown:
                return _called(said, shown, str(module), **options)
        except WRONG as error:
            raise CommandFailed(str(error), exit_code=Exit.USAGE) from error
        except (ProtocolError, DoorAway, TimeoutError) as error:
            raise CommandFailed(f"{verb} is not done: {error}") from error

    def render(self, report: Any) -> RenderableType:
        return self._said.render(report)

    def interrupted(self) -> str:
        return "stopped; what was reached is kept, and the same command goes on there."


def _called(
    verb: Verb,
    shown: Shown,
    module: str,
    *,
    reason: str,
    dry_run: bool,
    timeout: float | None,
    yes: bool,
    **options: Any,
) -> Any:
    ask = Ask(module=module, reason=reason, dry_run=dry_run, timeout=timeout, progress=shown.at)
    call = Call(ask=ask, shown=shown, options=options)
    if verb.asks and not dry_run and not yes:
        refused = _meant(verb, call)
        if refused is not None:
            return refused
    return verb.run(call)


def _meant(verb: Verb, call: Call) -> Any:
    """Ask at a terminal; the report that says why not, where its guards do not pass anyway.

    Raises CommandFailed when nobody can be asked, or the answer is no.
    """
    call.ask.check()
    looked = verb.run(replace(call, ask=replace(call.ask, dry_run=True)))
    if looked.exit_code:
        return looked
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"{verb.name} asks whether it is meant, and nobody is there to answer: say --yes",
            exit_code=Exit.USAGE,
        )
    Console(stderr=True).print(verb.render(looked))
    sys.stderr.write(f"{verb.name} {call.ask.module}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandFailed("nothing was done", exit_code=Exit.FAILED)
    return None

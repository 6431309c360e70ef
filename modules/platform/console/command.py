"""``ConsoleCommand``: ``run()`` gives a report, ``render()`` shows it, ``--json`` pipes it."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import IO, Any, cast

import msgspec
import psycopg
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError
from rich.console import Console, RenderableType

from modules.platform.contracts import ContractError
from modules.platform.databases.away import is_away

# Django's own options, which no command's run() takes; stdout and stderr come from call_command.
UNUSED = (
    "settings",
    "pythonpath",
    "traceback",
    "no_color",
    "force_color",
    "verbosity",
    "skip_checks",
    "stdout",
    "stderr",
)


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DIFFERENCES = 3


class CommandFailed(Exception):
    """The command cannot do it; the message says what, where and what to do."""

    def __init__(self, message: str, *, exit_code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ConsoleCommand(BaseCommand):
    """Base of the shop's commands.

    A subclass gives ``run(**options)``, which returns a report (a frozen dataclass), and
    ``render(report)``, which draws it for people. A report with a true ``has_differences``
    exits with 3, one with an ``exit_code`` of its own with that. Ctrl-C prints ``interrupted()``
    and exits with 130.
    """

    requires_system_checks: Any = []
    takes_dry_run = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")
        if self.takes_dry_run:
            parser.add_argument(
                "--dry-run", action="store_true", help="Show what would be done; change nothing."
            )
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options.pop("json")
        for name in UNUSED:
            options.pop(name, None)
        try:
            report = self.run(**options)
        except (CommandFailed, ContractError) as error:
            self.stderr.write(f"{self.name()}: {error}")
            sys.exit(getattr(error, "exit_code", Exit.FAILED))
        except (DatabaseError, psycopg.Error) as error:
            said = _why_no_database(error)
            if said is None:
                raise  # a fault of ours: the traceback says where
            self.stderr.write(f"{self.name()}: {said}")
            sys.exit(Exit.FAILED)
        except KeyboardInterrupt:
            self.stderr.write(f"{self.name()}: {self.interrupted()}")
            sys.exit(130)
        self._show(report, as_json)
        differs = getattr(report, "has_differences", False)
        code = getattr(report, "exit_code", Exit.DIFFERENCES if differs else Exit.DONE)
        if code:
            sys.exit(code)

    def run(self, *args: Any, **options: Any) -> Any:
        """Do it and return a report. Raises CommandFailed."""
        raise NotImplementedError

    def render(self, report: Any) -> RenderableType:
        """The report for people."""
        return str(report)

    def interrupted(self) -> str:
        """What to say on Ctrl-C: how to go on."""
        return "stopped."

    def name(self) -> str:
        return self.__module__.rpartition(".")[2]

    def _show(self, report: Any, as_json: bool) -> None:
        if as_json:
            self.stdout.write(msgspec.json.encode(report).decode())
        elif report is not None:
            console = Console(file=cast(IO[str], self.stdout), soft_wrap=not sys.stdout.isatty())
            console.print(self.render(report))


def _why_no_database(error: Exception) -> str | None:
    """What is wrong with the database itself and what to do; None when it is something else."""
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    line = str(error).strip().partition("\n")[0]
    if isinstance(cause, psycopg.errors.UndefinedTable):
        return f"the database is not migrated ({line}): manage.py migrate"
    if is_away(error):
        return f"the database does not answer ({line}); is it running, and is DATABASE_URL right?"
    return None

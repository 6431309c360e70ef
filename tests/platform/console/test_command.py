"""ConsoleCommand: result on stdout, trouble on stderr, exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection

from modules.platform.console import CommandFailed, ConsoleCommand, Exit, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the command found."""

    found: int
    has_differences: bool = False


class Count(ConsoleCommand):
    """Counts; fails, differs or is interrupted when told to."""

    takes_dry_run = True

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--do", default="")

    def run(self, **options: Any) -> Report:
        match options["do"]:
            case "fail":
                raise CommandFailed("there is nothing to count; name a file")
            case "stop":
                raise KeyboardInterrupt
            case statement if statement.startswith(("SELECT", "DO")):
                connection.cursor().execute(statement)
            case "connect":
                psycopg.connect("host=127.0.0.1 port=1")
        return Report(found=3, has_differences=options["do"] == "differ")

    def render(self, report: Report) -> str:
        return f"{report.found} found"

    def interrupted(self) -> str:
        return "stopped; run it again to go on."


def run(**options: Any) -> tuple[str, str, int]:
    """stdout, stderr and exit code."""
    out, err = StringIO(), StringIO()
    try:
        call_command(Count(stdout=out, stderr=err, no_color=True), **options)
    except SystemExit as end:
        return out.getvalue(), err.getvalue(), int(end.code or 0)
    return out.getvalue(), err.getvalue(), 0


def test_result_is_drawn_for_people() -> None:
    """Without --json stdout has what render() made."""
    assert run() == ("3 found\n", "", Exit.DONE)


def test_json_pipes() -> None:
    """With --json stdout has the report and nothing else."""
    assert run(json=True)[0] == '{"found":3,"has_differences":false}\n'


@pytest.mark.parametrize(
    ("do", "code", "said"),
    [
        ("fail", Exit.FAILED, "there is nothing to count; name a file"),
        ("stop", 130, "run it again to go on"),
        ("differ", Exit.DIFFERENCES, ""),
    ],
)
def test_exit_codes(do: str, code: int, said: str) -> None:
    """A failure is one line on stderr; differences and Ctrl-C have codes of their own."""
    _, err, exit_code = run(do=do)
    assert exit_code == code
    assert said in err


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("SELECT * FROM nowhere", '(relation "nowhere" does not exist): manage.py migrate'),
        ("connect", "is it running, and is DATABASE_URL right?"),
        ("DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$", "is it running"),
    ],
)
def test_a_database_that_is_not_there_is_one_line(do: str, said: str) -> None:
    """Not migrated, not running, going down: what it is and what to do, and no traceback."""
    out, err, exit_code = run(do=do)
    assert (out, exit_code, len(err.splitlines())) == ("", Exit.FAILED, 1)
    assert said in err


@pytest.mark.django_db
@pytest.mark.parametrize("do", ["SELECT nothing", "DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$"])
def test_a_fault_of_ours_keeps_its_traceback(do: str) -> None:
    """A wrong column, a lock that was not to be had: not the operator's to mend."""
    with pytest.raises(DatabaseError):
        run(do=do)


def test_progress_keeps_count_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal nothing is drawn; the count is right."""
    with Progress("rows", total=10) as progress:
        progress.advance(4)
        progress.advance(6)
    assert progress.done == 10
    assert capsys.readouterr().out == ""

"""What a command that shows and changes a key ring is made of: ``list``, ``rotate``, ``retire``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandParser
from rich.table import Table

from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from modules.platform.keys.ring import KeyInUse, KeyRing, NoSuchKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """One key; ``signs`` marks the one that signs new tokens."""

    kid: str
    made_at: str
    signs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysReport:
    """What was done, and the keys that stand now, newest first."""

    done: str
    keys: tuple[KeyLine, ...]


class KeysCommand(ConsoleCommand):
    """A subclass gives ``help`` and ``ring()``."""

    def ring(self) -> KeyRing:
        """The ring to show and change."""
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "verb",
            choices=("list", "rotate", "retire"),
            help="list: show the keys; rotate: make one that signs from now on; retire: refuse "
            "the tokens of KID from now on.",
        )
        parser.add_argument("kid", nargs="?", default="", help="The key to retire.")

    def run(self, **options: Any) -> KeysReport:
        try:
            return changed(self.ring(), options["verb"], options["kid"])
        except (KeyInUse, NoSuchKey) as error:
            raise CommandFailed(str(error), exit_code=Exit.USAGE) from error

    def render(self, report: KeysReport) -> Table:
        table = Table("kid", "made at", "", title=report.done or None)
        for key in report.keys:
            table.add_row(key.kid, key.made_at, "signs" if key.signs else "verifies")
        return table


def changed(keys: KeyRing, verb: str, kid: str) -> KeysReport:
    """Do what ``verb`` says. Raises KeyInUse, NoSuchKey."""
    done = ""
    match verb:
        case "rotate":
            done = f"{keys.rotate().kid} signs from now on."
        case "retire":
            keys.retire(kid)
            done = f"{kid} is retired."
        case _:
            keys.signing()
    lines = (
        KeyLine(kid=key.kid, made_at=f"{key.made_at:%Y-%m-%d %H:%M:%S}Z", signs=index == 0)
        for index, key in enumerate(keys.all(fresh=True))
    )
    return KeysReport(done=done, keys=tuple(lines))

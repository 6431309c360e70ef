"""``manage.py database_roles``: one PostgreSQL role per module, shown, made and let in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.management.base import CommandParser
from rich.console import RenderableType
from rich.table import Table

from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from modules.platform.databases.aliases import schema_owners
from modules.platform.databases.passwords import (
    UnreadablePasswords,
    make_passwords,
    read_passwords,
    write_urls,
)
from modules.platform.databases.roles import RoleState, create_roles, role_states


@dataclass(frozen=True, slots=True, kw_only=True)
class RolesReport:
    """How the roles stand; ``urls`` is the file that the logins' URLs were written to."""

    roles: tuple[RoleState, ...]
    urls: str = ""

    @property
    def has_differences(self) -> bool:
        return not all(role.holds for role in self.roles)


class Command(ConsoleCommand):
    help = (
        "Show whether PostgreSQL keeps each module within its own schema; with --create, see to "
        "it. Exits with 3 while it does not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--create", action="store_true", help="Make the roles and give them their schemas."
        )
        logins = parser.add_mutually_exclusive_group()
        logins.add_argument(
            "--passwords",
            metavar="FILE",
            help="Let the roles log in, with passwords from lines MODULE=PASSWORD; - is stdin.",
        )
        logins.add_argument(
            "--urls",
            metavar="FILE",
            help="Let the roles log in, with passwords made here; their URLs go to this new file.",
        )

    def run(self, *, create: bool, passwords: str | None, urls: str | None) -> RolesReport:
        if (passwords or urls) and not create:
            raise CommandFailed(
                "--passwords and --urls say how --create shall do it", exit_code=Exit.USAGE
            )
        modules = schema_owners()
        try:
            if create:
                self._create(modules, passwords, urls)
            return RolesReport(roles=role_states(modules), urls=urls or "")
        except psycopg.Error as error:
            raise CommandFailed(
                f"PostgreSQL refused: {str(error).strip()}; DATABASE_URL must name a login that "
                f"may create roles and schemas"
            ) from error

    def render(self, report: RolesReport) -> RenderableType:
        table = Table("module", "role", "logs in", "owns its schema", "strays", "reaches")
        for one in report.roles:
            owns = "yes" if one.owns_schema else "no" if one.exists else "no such role"
            table.add_row(
                one.module,
                one.role,
                "yes" if one.can_login else "no",
                owns,
                str(one.strays),
                ", ".join(one.reaches) or "nothing else",
            )
        if report.urls:
            table.caption = f"The logins' URLs are in {report.urls}; move it to your secrets."
        return table

    def _create(self, modules: tuple[str, ...], source: str | None, urls: str | None) -> None:
        found: dict[str, str] = {}
        try:
            if source:
                found = read_passwords(source, modules)
            elif urls:
                found = make_passwords(modules)
                # Written first: a password that nobody has kept is worse than one that is not set.
                write_urls(Path(urls), settings.DATABASE_URL, found)
        except (UnreadablePasswords, OSError) as error:
            raise CommandFailed(str(error), exit_code=Exit.USAGE) from error
        create_roles(modules, passwords=found)

    def interrupted(self) -> str:
        return "stopped; run it again, it goes on where it was."

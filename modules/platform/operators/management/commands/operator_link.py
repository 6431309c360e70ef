"""``manage.py operator_link``: lets an operator of this machine into this host's admin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.core.management.base import CommandParser

from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from modules.platform.operators.backend import own_keys
from modules.platform.operators.tokens import LIFE, Pass, issue, issuer_here

SESSION = timedelta(hours=12)  # a long working day


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReport:
    """The address to open, once and within minutes. ``path`` is below the host's address."""

    path: str
    minutes: int


class Command(ConsoleCommand):
    help = (
        "Print a link that lets an operator of this machine into this host's admin, once. The "
        "shop's staff need none: they come from the shop's admin."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--label", required=True, help="Who it is; shown in the admin's log.")
        parser.add_argument(
            "--permission",
            action="append",
            help="Such as payment.view_payment; may be repeated. Without one: everything.",
        )

    def run(self, *, label: str, permission: list[str] | None, **options: Any) -> LinkReport:
        if not label.strip():
            raise CommandFailed("--label is empty", exit_code=Exit.USAGE)
        return operator_link(label=label.strip(), permissions=tuple(permission or ()))

    def render(self, report: LinkReport) -> str:
        return f"{report.path}\nOpen it at this host's address within {report.minutes} minutes."


def operator_link(*, label: str, permissions: tuple[str, ...]) -> LinkReport:
    """A link for ``label``; everything is permitted when no permissions are given."""
    now, host = datetime.now(UTC), settings.FICUS_HOST
    given = Pass(
        id=uuid5(NAMESPACE_URL, f"{issuer_here(host)}/{label}"),
        label=label,
        permissions=permissions,
        superuser=not permissions,
        until=now + SESSION,
    )
    token = issue(given, issuer=issuer_here(host), host=host, key=own_keys().signing(), now=now)
    return LinkReport(path=f"/admin/login/?token={token}", minutes=int(LIFE.total_seconds() // 60))

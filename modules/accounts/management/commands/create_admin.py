"""``manage.py create_admin``: the shop's first operator, idempotently."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from modules.accounts.domain import normal_email
from modules.accounts.models import User
from modules.accounts.tokens import utc_now
from modules.platform.console import CommandFailed, ConsoleCommand, Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminReport:
    """Whose account it is; ``created`` is false when it was there before."""

    email: str
    created: bool


class Command(ConsoleCommand):
    help = (
        "Create a superuser, or do nothing when the account is there. "
        "The password comes from a file or stdin and is never shown."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True, help="Log-in of the operator.")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--password-file", help="A file that holds the password.")
        source.add_argument(
            "--password-stdin", action="store_true", help="Read the password from stdin."
        )

    def run(self, **options: Any) -> AdminReport:
        password = _password(options["password_file"], options["password_stdin"])
        return create_admin(email=options["email"], password=password)

    def render(self, report: AdminReport) -> str:
        return f"{report.email} {'was created' if report.created else 'is there already'}."


def create_admin(*, email: str, password: str) -> AdminReport:
    """A superuser with the address; an account that is there keeps its password."""
    address = normal_email(email)
    user = User.objects.filter(email=address).first()
    if user is None:
        User.objects.create_superuser(address, password, email_verified_at=utc_now())
        return AdminReport(email=address, created=True)
    if not (user.is_staff and user.is_superuser and user.is_active):
        raise CommandFailed(f"{address} is an account already, but no active superuser.")
    return AdminReport(email=address, created=False)


def _password(file: str | None, stdin: bool) -> str:
    if stdin:
        text = sys.stdin.readline()
    else:
        try:
            text = Path(str(file)).read_text()
        except OSError as error:
            raise CommandFailed(
                f"--password-file {file}: {error.strerror}", exit_code=Exit.USAGE
            ) from error
    password = text.strip()
    if not password:
        raise CommandFailed("The password is empty.", exit_code=Exit.USAGE)
    return password

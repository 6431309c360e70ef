"""Makes the shop ready to be started: every host's preparations, an operator, goods to sell."""

from __future__ import annotations

from pathlib import Path

from django.core.management import call_command
from django.db import connections

from modules.platform.databases import alias_of
from modules.platform.hosting.running.up import prepare_host
from modules.platform.hosting.secrets import secret, secret_file

ADMIN_EMAIL = "admin@example.com"


def admin_password(home: Path) -> str:
    """The first operator's password, made at first start and kept in ``home/secrets``."""
    return secret(home, "admin_password", size=12)


def prepare(home: Path, *, with_data: bool) -> bool:
    """Migrate, bootstrap, create the operator; True when the first goods were loaded too.

    Raises what ``prepare_host`` does for an unreachable server.
    """
    prepare_host()
    admin_password(home)
    path = secret_file(home, "admin_password")
    call_command("create_admin", email=ADMIN_EMAIL, password_file=str(path))
    if not with_data or _has_products():
        return False
    call_command("load_journey")
    return True


def _has_products() -> bool:
    with connections[alias_of("catalog")].cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM catalog_product)")
        row = cursor.fetchone()
    return bool(row and row[0])

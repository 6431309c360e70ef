"""Makes schemas, as a process of a host: ``python -m tests.extracted.bus.prepare orders``."""

from __future__ import annotations

import sys

import django


def main(modules: list[str]) -> None:
    from django.core.management import call_command
    from django.db import connections

    from tests.extracted.bus.ledger import TABLE

    for module in modules:
        call_command("migrate", database=module, verbosity=0)
        with connections[module].cursor() as cursor:
            cursor.execute(TABLE)


if __name__ == "__main__":
    django.setup()
    main(sys.argv[1:])

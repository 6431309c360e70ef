"""``manage.py strangler`` for a test, from a process that is there already: the verbs without their
start. One line of JSON in for each, one out when it is done.

    {"verb": "cutover", "module": "payment", "more": []}
    {"code": 0, "report": {...}, "said": "", "own": [{"name": "payment-own-web"}], "seconds": 1.5}

``report`` is what ``--json`` prints; ``own`` are the processes (in full) that the shop should run
by then for services with a database of their own.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import django


def main() -> None:
    """Until the end of the input."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.dev")
    django.setup()
    from django.conf import settings

    from shop import env
    from shop.running.own_services import OwnServices

    url, modules = settings.DATABASE_URL, settings.FICUS_MODULES
    own = OwnServices(env.load(), Path(settings.FICUS_HOME), modules, database_url=url)
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.monotonic()
        told = _done(asked["verb"], asked["module"], asked["more"])
        told["seconds"] = round(time.monotonic() - began, 3)
        told["own"] = [asdict(process) for process in own().processes]
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _done(verb: str, module: str, more: list[str]) -> dict[str, Any]:
    from django.core.management import call_command

    from modules.extraction.management.commands.strangler import Command

    out, err, code = io.StringIO(), io.StringIO(), 0
    asked = [verb, module, "--json", *more]
    try:
        call_command(Command(stdout=out, stderr=err), *asked)
    except SystemExit as stop:
        code = int(stop.code or 0)
    report = json.loads(out.getvalue()) if out.getvalue() else None
    return {"code": code, "report": report, "said": err.getvalue()}


if __name__ == "__main__":
    main()

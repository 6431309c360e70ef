"""``manage.py strangler_press ID``: the process of a button that was pressed in the admin."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.extraction.dashboard.presses import Ended
from modules.extraction.dashboard.working import work
from modules.platform.console import Exit

CODES = {Ended.DONE: Exit.DONE, Ended.DIFFERENCES: Exit.DIFFERENCES}


class Command(BaseCommand):
    """What it does is on record, so it prints nothing; people say ``strangler`` instead."""

    help = "Do what a button of /admin/extraction/ asks; started by it."
    requires_system_checks: Any = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("press", type=int)

    def handle(self, *args: Any, press: int, **options: Any) -> None:
        ended = work(press)
        sys.exit(CODES.get(ended, Exit.FAILED) if ended else Exit.USAGE)

"""``manage.py routes``: what the front door of this shop is told."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from rich.text import Text

from modules.platform.console import ConsoleCommand
from shop import env
from shop.running.routing import as_text, routing_document, write_document


class Command(ConsoleCommand):
    help = "Print the front door's routing document, or put it where the front door reads it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="Write it; print only where.")

    def run(self, *, write: bool, **options: Any) -> dict[str, Any]:
        if write:
            return {"written": str(write_document(env.load(), settings.FICUS_HOME))}
        return routing_document(env.load(), settings.FICUS_HOME)

    def render(self, report: dict[str, Any]) -> Text:
        return Text(str(report["written"]) if "written" in report else as_text(report).rstrip())

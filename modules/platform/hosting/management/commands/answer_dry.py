"""``manage.py answer_dry MODULE``: commands on stdin, what they would do here on stdout."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandParser

from modules.platform.hosting.dry import Answered, First, answer_dry, close_network


class Asked(msgspec.Struct, frozen=True):
    """One line of stdin."""

    operation: str
    arguments: msgspec.Raw
    first: First | None = None


class Command(BaseCommand):
    help = "Answer a module's commands dry, one JSON line each, until stdin ends (for shadowing)."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("module")

    def handle(self, *args: Any, module: str, **options: Any) -> None:
        close_network()
        decoder = msgspec.json.Decoder(Asked)
        for line in sys.stdin.buffer:
            try:
                asked = decoder.decode(line)
                answered = answer_dry(module, asked.operation, bytes(asked.arguments), asked.first)
            except Exception as error:  # the next line may do; who asks counts it
                answered = Answered(why_not=f"not understood: {type(error).__name__}")
            sys.stdout.buffer.write(msgspec.json.encode(answered) + b"\n")
            sys.stdout.buffer.flush()

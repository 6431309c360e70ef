"""What a verb of ``manage.py strangler`` is: its words, its arguments, and what it calls."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import RenderableType

from modules.extraction.progress import Shown
from modules.extraction.rendering import render
from modules.extraction.steps import Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A verb as it was said: ``options`` are its own, ``shown`` takes how far it is."""

    ask: Ask
    shown: Shown
    options: Mapping[str, Any] = field(default_factory=dict)


def no_arguments(parser: ArgumentParser) -> None:
    """Has none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One word after ``manage.py strangler``.

    ``asks`` is for what ends something: at a terminal it is asked whether it is meant, and
    ``--yes`` answers. ``reason`` stands in where none is given, for verbs that decide nothing.
    """

    name: str
    help: str
    run: Callable[[Call], Any]
    arguments: Callable[[ArgumentParser], None] = no_arguments
    asks: bool = False
    reason: str = ""
    render: Callable[[Any], RenderableType] = render

    def add_to(self, parser: ArgumentParser) -> None:
        """Its arguments: the module, what all verbs have that change something, its own."""
        json_after_verb(parser)
        parser.add_argument("module", metavar="MODULE")
        parser.add_argument("--dry-run", action="store_true", help="Look and say; change nothing.")
        parser.add_argument("--yes", action="store_true", help="Do not ask whether it is meant.")
        parser.add_argument("--timeout", type=float, metavar="SECONDS", help="For all of it.")
        parser.add_argument("--reason", default=self.reason, help="Why; kept on record.")
        self.arguments(parser)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A verb that only looks: at one module, or at all of them where none is named."""

    name: str
    help: str
    run: Callable[..., Any]  # (module, **its own options)
    arguments: Callable[[ArgumentParser], None] = no_arguments
    render: Callable[[Any], RenderableType] = render

    def add_to(self, parser: ArgumentParser) -> None:
        """Its arguments: perhaps a module, and its own."""
        json_after_verb(parser)
        parser.add_argument("module", nargs="?", metavar="MODULE")
        self.arguments(parser)


def json_after_verb(parser: ArgumentParser) -> None:
    """``--json`` also after the verb; SUPPRESS, lest its default undo what stands before it."""
    parser.add_argument("--json", action="store_true", default=SUPPRESS, help="As JSON.")

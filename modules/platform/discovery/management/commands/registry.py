"""``manage.py registry list|show|drop|restore``: who has registered, and who is to be left out."""

from __future__ import annotations

from argparse import SUPPRESS
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType
from rich.table import Table

from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from modules.platform.discovery import registry
from modules.platform.discovery.registry import Entry

SHORTEST_REASON = 3  # characters, as in the admin


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """Every row, or those of one module."""

    instances: tuple[Entry, ...]


class Command(ConsoleCommand):
    help = "List the instances that registered here, show one, leave one out, take it back."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        list_ = verbs.add_parser("list", help="All instances: live, expired and dropped ones")
        list_.add_argument("--module", help="Only of this module.")
        show = verbs.add_parser("show", help="All that is known of one")
        drop = verbs.add_parser("drop", help="List one no longer, whatever it says")
        restore = verbs.add_parser("restore", help="Undo a drop")
        for verb in (show, drop, restore):
            verb.add_argument("id", metavar="ID")
        for verb in (drop, restore):
            verb.add_argument("--reason", required=True, help="Why; shown to whoever looks.")
        for verb in (list_, show, drop, restore):
            # Also after the verb; SUPPRESS, lest its default undo what stands before it.
            verb.add_argument("--json", action="store_true", default=SUPPRESS, help="As JSON.")

    def run(self, *, verb: str, **options: Any) -> Registered | Entry:
        if verb == "list":
            return Registered(instances=registry.entries(options["module"]))
        id = options["id"]
        if verb == "drop":
            registry.drop(id, reason=_reason(options))
        elif verb == "restore":
            registry.restore(id, reason=_reason(options))
        return registry.entry(id)

    def render(self, report: Any) -> RenderableType:
        return _table(report.instances) if isinstance(report, Registered) else _page(report)


def _reason(options: dict[str, Any]) -> str:
    reason = str(options["reason"]).strip()
    if not SHORTEST_REASON <= len(reason) <= registry.LONGEST_REASON:
        raise CommandFailed(
            f"say why, in {SHORTEST_REASON} to {registry.LONGEST_REASON} characters",
            exit_code=Exit.USAGE,
        )
    return reason


def _table(entries: tuple[Entry, ...]) -> RenderableType:
    if not entries:
        return "Nobody has registered."
    table = Table("module", "state")
    table.add_column("id", no_wrap=True)  # to be copied into the next command
    table.add_column("url", overflow="fold")
    table.add_column("heard of", no_wrap=True)
    table.add_column("load", no_wrap=True)
    for one in entries:
        load = f"{_count(one.in_flight)}/{one.capacity}"
        seen = f"{one.age:.1f} s ago"
        where = f"{one.url}\n{one.grpc_url}" if one.grpc_url else one.url
        table.add_row(one.module, one.state, one.id, where, seen, load)
    return table


def _page(one: Entry) -> str:
    lines = {
        "id": one.id,
        "module": one.module,
        "state": one.state,
        "url": one.url,
        "over gRPC": one.grpc_url or "not offered",
        "role": one.role,
        "version": one.version or "not said",
        "contract": one.contract or "not said",
        "calls under way": f"{_count(one.in_flight)} of {one.capacity}",
        "announced by": one.issuer,
        "heard of": f"{one.age:.1f} s ago",
    }
    if one.dropped_by:
        lines["dropped"] = f"by {one.dropped_by}: {one.drop_reason}"
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines.items())


def _count(in_flight: int | None) -> str:
    return "?" if in_flight is None else str(in_flight)

"""``manage.py events``: the bus seen and steered from the console."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import msgspec
from django.core.management.base import CommandParser
from rich.console import Group, RenderableType
from rich.table import Table

from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from modules.platform.databases import installed_modules
from modules.platform.messaging import asyncapi, status, steering, tail
from modules.platform.messaging.authority import hosted_modules
from modules.platform.messaging.errors import MessagingError
from modules.platform.messaging.steering import Selection, Steered

CHANGING = {
    "replay": "try parked events here and now, in order; with --from: the log again",
    "retry": "have the worker try parked events again",
    "skip": "give parked events up",
    "resolve": "say that parked events were seen to by hand",
    "hold": "take parked events out of all retries",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Parked events by fingerprint."""

    groups: tuple[status.LetterGroup, ...]


class Command(ConsoleCommand):
    help = "Show and steer event deliveries: lag, dead letters, replay, the log, its AsyncAPI."
    takes_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for name, text in (("status", "subscriptions, timers, queues"), ("dead", "parked events")):
            one = _verb(verbs, name, text)
            one.add_argument("--module", action="append", help="Only this module.")
        for name, text in CHANGING.items():
            one = _verb(verbs, name, text)
            one.add_argument("--dry-run", action="store_true", default=argparse.SUPPRESS)
            one.add_argument("--consumer", required=True, help="Whose deliveries.")
            one.add_argument("--source", help="Only events of this module.")
            one.add_argument("--fingerprint", help="Only failures with this fingerprint.")
            one.add_argument("--key", help="Only events of this key.")
            one.add_argument("--id", type=int, action="append", help="Only this parked event.")
            one.add_argument("--all", action="store_true", help="All that are parked.")
            one.add_argument("--reason", default="", help="Why; kept in the audit table.")
            if name == "replay":
                one.add_argument(
                    "--from", dest="position", type=int, help="Everything after this position."
                )
        follow = _verb(verbs, "tail", "the log as it grows")
        follow.add_argument("--module", action="append", help="Only this module.")
        follow.add_argument("--key", help="Only events of this key.")
        follow.add_argument(
            "-n", "--lines", type=int, default=10, help="Last events to begin with."
        )
        follow.add_argument("-f", "--follow", action="store_true", help="Go on until Ctrl-C.")
        _verb(verbs, "asyncapi", "the AsyncAPI 3 document, as JSON")

    def run(self, *, verb: str, **options: Any) -> Any:
        modules = tuple(options.get("module") or hosted_modules())
        self._check(modules)
        if verb == "status":
            return status.status(modules)
        if verb == "dead":
            return Dead(groups=tuple(g for m in modules for g in status.letter_groups(m)))
        if verb == "tail":
            return self._tail(modules, options)
        if verb == "asyncapi":
            return asyncapi.document()
        return self._steer(verb, options)

    def render(self, report: Any) -> RenderableType:
        if isinstance(report, status.Status):
            parts = (_subscriptions(report), _letters(report.letters), _timers(report))
            return Group(*parts, _queues(report))
        if isinstance(report, Dead):
            return _letters(report.groups)
        if isinstance(report, Steered):
            would = "would change" if report.dry_run else "changed"
            return f"{report.verb}: {would} {report.changed} of {report.target}"
        if isinstance(report, dict):
            return msgspec.json.format(msgspec.json.encode(report)).decode()
        return "\n".join(_line(line) for line in report)

    def _check(self, modules: tuple[str, ...]) -> None:
        for module in modules:
            if module not in installed_modules():
                known = ", ".join(installed_modules())
                raise CommandFailed(
                    f"{module} is not composed into this host (it has {known}).",
                    exit_code=Exit.USAGE,
                )

    def _tail(self, modules: tuple[str, ...], options: dict[str, Any]) -> list[tail.Line]:
        lines, key = options["lines"], options["key"]
        if options["follow"]:
            for line in tail.follow(modules, lines, key, every=0.5):
                self.stdout.write(_line(line))
        found = [line for module in modules for line in tail.last(module, lines, key)]
        return sorted(found, key=lambda line: line.at)

    def _steer(self, verb: str, options: dict[str, Any]) -> Steered:
        consumer, source = options["consumer"], options["source"]
        self._check((consumer,))
        how = {"reason": options["reason"], "dry_run": options["dry_run"]}
        position = options.get("position")
        chosen = (options["fingerprint"], options["key"], options["id"], options["source"])
        try:
            if position is not None:
                if not source:
                    raise CommandFailed("--from needs --source.", exit_code=Exit.USAGE)
                return steering.restart(consumer, source, position=position, **how)
            if not any(chosen) and not options["all"]:
                raise CommandFailed(
                    "say which: --fingerprint, --key, --id, --source or --all.",
                    exit_code=Exit.USAGE,
                )
            selection = Selection(
                consumer=consumer,
                source=source,
                fingerprint=options["fingerprint"],
                key=options["key"],
                ids=tuple(options["id"]) if options["id"] else None,
            )
            steered: Steered = getattr(steering, verb)(selection, **how)
        except MessagingError as error:
            raise CommandFailed(str(error)) from error
        return steered


def _verb(verbs: Any, name: str, text: str) -> CommandParser:
    """A verb's own parser; --json may stand before or after it."""
    parser: CommandParser = verbs.add_parser(name, help=text)
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    return parser


def _subscriptions(report: status.Status) -> Table:
    table = Table("from", "to", "state", "acked", "in flight", "lag", "lag s", "resends")
    for one in report.subscriptions:
        values = (one.acked, one.in_flight, one.lag_rows, f"{one.lag_seconds:.1f}", one.resends)
        table.add_row(one.source, one.consumer, one.state, *map(str, values))
    return table


def _letters(groups: tuple[status.LetterGroup, ...]) -> Table:
    table = Table("from > to", "state", "events", "since")
    table.add_column("fingerprint", no_wrap=True)  # to be copied into the next command
    table.add_column("where", overflow="fold")
    for one in groups:
        where = f"{one.type}\n{one.place}" if one.place else "behind an event of its key"
        table.add_row(
            f"{one.source} > {one.consumer}",
            one.state,
            str(one.count),
            f"{one.first_at:%m-%d %H:%M}",
            one.fingerprint,
            where,
        )
    return table


def _timers(report: status.Status) -> Table:
    table = Table("module", "timer", "state", "count", "overdue", "next")
    for one in report.timers:
        due = f"{one.next_due:%Y-%m-%d %H:%M:%S}"
        table.add_row(one.module, one.type, one.state, str(one.count), str(one.overdue), due)
    return table


def _queues(report: status.Status) -> RenderableType:
    """Only those in which something waits."""
    if report.trouble:
        return f"The broker does not say how long its queues are: {report.trouble}"
    table = Table("queue", "messages that no worker has taken")
    for queue, messages in report.queues.items():
        if messages:
            table.add_row(queue, str(messages))
    return table if table.rows else "No message waits in a queue."


def _line(line: tail.Line) -> str:
    return f"{line.at:%H:%M:%S.%f} {line.position:>9} {line.type} {line.key} {line.data}"

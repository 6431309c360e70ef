"""``manage.py service_calls``: which calls of other hosts are turned off, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis
from django.core.management.base import CommandParser
from rich.table import Table

from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from modules.platform.rpc import settings
from modules.platform.rpc.switches import LOOK_AGAIN, SharedSwitches


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchLine:
    """One call, or family of calls, that is not made."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchesReport:
    """What was done, and all that is off now."""

    done: str
    off: tuple[SwitchLine, ...]


class Command(ConsoleCommand):
    help = (
        "Show or change which calls this host makes of others. Every process hears of it within "
        f"{LOOK_AGAIN:.0f} seconds; callers of a call that is off get MethodSwitchedOff."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=("list", "off", "on"))
        parser.add_argument(
            "name", nargs="?", default="", help="payment.refund, payment.* for a module, * for all."
        )
        parser.add_argument("--reason", default="", help="Why it is off; shown to callers.")

    def run(self, **options: Any) -> SwitchesReport:
        switches = SharedSwitches(settings.redis_url(), settings.switched_off())
        try:
            return changed(switches, options["verb"], options["name"], options["reason"])
        except ValueError as error:
            raise CommandFailed(f"{error}.", exit_code=Exit.USAGE) from error
        except redis.RedisError as error:
            raise CommandFailed(f"Redis cannot be asked: {error}") from error
        finally:
            switches.close()

    def render(self, report: SwitchesReport) -> Table:
        table = Table("off", "because", title=report.done or None)
        for line in report.off:
            table.add_row(line.name, line.reason)
        return table


def changed(switches: SharedSwitches, verb: str, name: str, reason: str) -> SwitchesReport:
    """Do what ``verb`` says. Raises ValueError, redis.RedisError."""
    done = ""
    if verb != "list" and not name:
        raise ValueError(f"{verb} needs the name of a call, such as payment.refund")
    if verb == "off":
        switches.turn_off(name, reason=reason)
        done = f"{name} is off."
    elif verb == "on":
        switches.turn_on(name)
        done = f"{name} is on."
    lines = sorted(switches.off().items())
    return SwitchesReport(done=done, off=tuple(SwitchLine(name=n, reason=r) for n, r in lines))

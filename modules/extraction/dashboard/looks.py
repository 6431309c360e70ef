"""The dry run before a button: what it shows, and the token without which nothing is pressed.

The token is signed, good for ten minutes and for one press, of the operator who looked, with the
options that were looked at, from the standing that was shown.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
from django.core import signing
from django.db import DatabaseError
from rich.console import Console

from modules.extraction.guards import Guard
from modules.extraction.phases import Standing
from modules.extraction.progress import Shown
from modules.extraction.protocol import ProtocolError
from modules.extraction.routing.doors import DoorAway
from modules.extraction.standings import standing_of
from modules.extraction.steps import Ask
from modules.extraction.verbs import Call, Verb
from modules.platform.console import CommandFailed
from modules.platform.contracts import ContractError

GOOD_FOR = 600  # seconds
WIDTH = 100  # characters
# Nothing is there to be tried: it compares both sides, and that takes as long as it takes.
ONLY_LOOKS = frozenset({"verify"})
SALT = "extraction.press"
# What a verb raises when it is not done; anything else is a fault of ours.
REFUSALS = (
    *(ContractError, CommandFailed, ProtocolError, DoorAway, TimeoutError),
    *(psycopg.Error, DatabaseError),
)


class NotLookedAt(Exception):
    """There is no valid dry run to confirm; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A dry run. ``refused`` says in one line why it would not be done; empty when it would.
    ``text`` is the report as the command line shows it, where it has neither guards nor a list.
    """

    guards: tuple[Guard, ...] = ()
    would: tuple[str, ...] = ()
    refused: str = ""
    text: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What was looked at, by whom."""

    module: str
    verb: str
    user: str
    options: dict[str, Any] = field(default_factory=dict)
    standing: Standing = field(default_factory=Standing)
    nonce: UUID = field(default_factory=uuid4)

    def sealed(self) -> str:
        """For a form."""
        return signing.dumps(
            {
                "of": [self.module, self.verb, self.user],
                "options": self.options,
                "standing": _as_list(self.standing),
                "nonce": str(self.nonce),
            },
            salt=SALT,
        )


class Quiet(Shown):
    """Nobody sits at the web server's stderr."""

    def at(self, what: str, done: int, total: int) -> None:
        """Shows nothing."""

    def say(self, words: str) -> None:
        """Says nothing."""

    def standing(self, standing: Standing) -> None:
        """Says nothing."""


def look(verb: Verb, module: str, options: dict[str, Any]) -> Looked:
    """What ``verb`` would do now; changes nothing."""
    if verb.name in ONLY_LOOKS:
        return Looked(would=(verb.help,))
    ask = Ask(module=module, dry_run=True)
    try:
        report = verb.run(Call(ask=ask, shown=Quiet(verb.name, module), options=options))
    except REFUSALS as error:
        return Looked(refused=str(error).strip().partition("\n")[0])
    return seen_in(verb, report)


def seen_in(verb: Verb, report: Any) -> Looked:
    """The parts of any verb's report; what it has not is left out."""
    guards: tuple[Guard, ...] = tuple(getattr(report, "guards", ()))
    failed = ", ".join(one.name for one in guards if not one.passes)
    faults = getattr(report, "faults", ())
    would = (*getattr(report, "would", ()), *(f"{one.fact}: {one.cure}" for one in faults))
    text = "" if guards or would else text_of(verb, report)
    before, after = getattr(report, "before", None), getattr(report, "after", None)
    return Looked(
        guards=guards,
        would=would,
        refused=f"it is refused ({failed}); nothing changed" if failed else "",
        text=text,
        before=before.phase.value if isinstance(before, Standing) else "",
        after=after.phase.value if isinstance(after, Standing) else "",
    )


def text_of(verb: Verb, report: Any) -> str:
    """The report as the command line shows it."""
    out = io.StringIO()
    Console(file=out, width=WIDTH, no_color=True).print(verb.render(report))
    return out.getvalue().rstrip()


def opened(text: str, *, module: str, verb: str, user: str) -> Token:
    """The token of a form. Raises NotLookedAt: none, forged, too old, another's, or overtaken."""
    try:
        said = signing.loads(text, salt=SALT, max_age=GOOD_FOR)
    except signing.SignatureExpired as error:
        raise NotLookedAt(f"you looked more than {GOOD_FOR // 60} minutes ago") from error
    except signing.BadSignature as error:
        raise NotLookedAt("nothing was looked at before") from error
    if said["of"] != [module, verb, user]:
        raise NotLookedAt("something else was looked at, or by somebody else")
    standing = standing_of(module)
    if said["standing"] != _as_list(standing):
        raise NotLookedAt(f"{module} has been moved since you looked")
    return Token(
        module=module,
        verb=verb,
        user=user,
        options=said["options"],
        standing=standing,
        nonce=UUID(said["nonce"]),
    )


def _as_list(standing: Standing) -> list[Any]:
    return [standing.phase.value, standing.percent, standing.epoch, standing.paused]

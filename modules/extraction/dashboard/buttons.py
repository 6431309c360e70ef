"""Which verbs are buttons, whom they need, and which of them fit where a module stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from modules.extraction.phases import INSTALLED, Direction, Phase, Standing, Transition
from modules.extraction.standings import possible
from modules.extraction.verbs import VERBS, Verb


class Kind(StrEnum):
    """What a permission is for; the value is the permission."""

    LOOK = "extraction.view_capability"
    MOVE = "extraction.move_capability"
    RETIRE = "extraction.retire_capability"


# A process that runs as long as the extraction lasts is started with the host, not by a button.
NOT_HERE: Final = frozenset({"watch"})
# What may be interrupted anywhere: it goes on there, undoes itself, or has only looked.
STOPPABLE: Final = frozenset(
    {"create", "backfill", "verify", "repair", "shadow", "diff", "canary", "run", "drill"}
)
DESTRUCTIVE: Final = frozenset({"cancel", "retire"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A verb on a page. ``leads_on``: it changes the phase."""

    name: str
    help: str
    leads_on: bool
    destructive: bool


def kind_of(verb: str) -> Kind:
    """The permission that pressing ``verb`` needs."""
    return Kind.RETIRE if verb == Transition.RETIRE else Kind.MOVE


def may(user: Any, kind: Kind) -> bool:
    """Whether ``user`` has the permission. Whoever may move may look."""
    return bool(user.has_perm(kind) or (kind is Kind.LOOK and user.has_perm(Kind.MOVE)))


def verb_named(name: str) -> Verb | None:
    """The verb of a button; None where there is none."""
    found = VERBS.get(name)
    return found if isinstance(found, Verb) and name not in NOT_HERE else None


def buttons_for(user: Any, standing: Standing) -> tuple[Button, ...]:
    """What ``user`` may press where a module stands, in the order of the command line's help."""
    named = [name for name in VERBS if verb_named(name) and _fits(name, standing)]
    return tuple(_button(name) for name in named if may(user, kind_of(name)))


def _button(name: str) -> Button:
    return Button(
        name=name,
        help=VERBS[name].help,
        leads_on=name in set(Transition),
        destructive=name in DESTRUCTIVE,
    )


def _fits(verb: str, standing: Standing) -> bool:
    """Whether it is worth offering; the verb itself decides, and says why not."""
    installed = standing.phase in INSTALLED
    if verb in set(Transition):
        return verb in possible(standing.phase)
    match verb:
        case "backfill" | "shadow":
            return standing.direction is Direction.TO_SERVICE and not standing.paused
        case "pause" | "resume":
            return installed and standing.paused is (verb == "resume")
        case "verify" | "diff":
            return installed
        case "repair":
            return installed and not standing.paused
        case _:
            return standing.phase is not Phase.RETIRED

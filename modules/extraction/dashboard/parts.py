"""The parts of the pages as HTML: drawn with the page at first, and sent alone when they change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.template.loader import render_to_string

from modules.extraction.controlling import holder
from modules.extraction.dashboard.buttons import STOPPABLE, Button, Kind, buttons_for, kind_of, may
from modules.extraction.dashboard.records import Press
from modules.extraction.dashboard.sections import (
    PACE,
    Trouble,
    pressed,
    sections,
    shown_in,
)
from modules.extraction.modules_here import declared, movable_modules
from modules.extraction.phases import Phase
from modules.extraction.showing import Busy, Shown
from modules.extraction.standings import as_standing, row_of

Parts = dict[str, str]
# Of a module's page, in the order in which people should read it.
SECTIONS: Final = (
    *("guards", "copied", "split", "measures", "differences", "digests", "receipts", "history"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A module on the board."""

    shown: Shown
    owner: str
    share: int
    press: Press | None
    buttons: tuple[Button, ...]

    @property
    def changes_go(self) -> str:
        return self.shown.direction.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A phase on the board."""

    phase: str
    cards: tuple[Card, ...]


def board(user: Any) -> Parts:
    """All modules that may be moved, by phase."""
    cards = tuple(card(module, user) for module in movable_modules())
    columns = [
        Column(phase=one.value, cards=tuple(c for c in cards if c.shown.phase == one))
        for one in Phase
    ]
    return {"board": render_to_string("extraction/parts/board.html", {"columns": columns})}


def card(module: str, user: Any) -> Card:
    """One module, as ``user`` sees it."""
    press = pressed(module)
    found = sections(("standing", "split"), module, press)
    shown = shown_in(found, module)
    share = share_of(shown, found["split"])
    return Card(
        shown=shown,
        owner=declared(module).owner,
        share=share,
        press=press if press is not None and press.ended_at is None else None,
        buttons=tuple(one for one in buttons_of(module, user) if one.leads_on),
    )


def share_of(shown: Shown, split: Any) -> int:
    """What the service does, in percent: by its phase, or as it was placed by hand."""
    return shown.percent if isinstance(split, Trouble) else max(shown.percent, split.percent)


def buttons_of(module: str, user: Any) -> tuple[Button, ...]:
    """What ``user`` may press now."""
    return buttons_for(user, as_standing(row_of(module)))


def page(module: str, user: Any, press: Press | None) -> Parts:
    """Everything about one module, whose last press is ``press``."""
    found = sections(("standing", *SECTIONS), module, press)
    shown = shown_in(found, module)
    share = share_of(shown, found["split"])
    context = {
        "module": module,
        "share": share,
        "rest": 100 - share,
        "shown": shown,
        "changes_go": shown.direction.replace("_", " "),
        "owner": declared(module).owner,
        "purpose": declared(module).purpose,
        **at_work(module, press),
        "buttons": buttons_of(module, user),
        "may_stop": press is not None
        and press.verb in STOPPABLE
        and may(user, kind_of(press.verb)),
        "may_move": may(user, Kind.MOVE),
    }
    return {
        name: render_to_string(
            f"extraction/parts/{name}.html", context | {"found": found.get(name)}
        )
        for name in ("standing", "press", "buttons", *SECTIONS)
    }


def at_work(module: str, press: Press | None) -> Mapping[str, Any]:
    """Who is at the module, how far a press is, and how long the rest takes."""
    is_open = press is not None and press.ended_at is None
    at_it = holder(module)
    busy = Busy(verb=at_it.verb, actor=at_it.actor, since=at_it.since) if at_it else None
    left = None
    if press is not None and is_open and press.total:
        left = PACE.seconds_left(("press", press.pk), press.done, press.total)
    return {"press": press, "is_open": is_open, "seconds_left": left, "busy": busy}


def sentence(press: Press | None) -> str:
    """What a screen reader says when it changes."""
    if press is None:
        return ""
    became = press.outcome or ("under way" if press.began_at else "beginning")
    return f"{press.verb} of {press.module}: {became}"

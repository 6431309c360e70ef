"""What a page shows of a module, one section each; a section that cannot be known says why.

Reads only, with connections of its own that end with the look. How long an answer is kept is how
often it is worth asking, however many look: ``AGES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from modules.extraction import protocol, showing, targets
from modules.extraction.controlling import holder
from modules.extraction.dashboard.copied import Copied, copied
from modules.extraction.dashboard.forms import options_of
from modules.extraction.dashboard.keeping import Kept, Pace
from modules.extraction.dashboard.looks import REFUSALS, Looked, look
from modules.extraction.dashboard.measuring import LATELY, measures
from modules.extraction.dashboard.presses import current
from modules.extraction.dashboard.records import Press
from modules.extraction.moves import move_of
from modules.extraction.phases import Phase, Transition
from modules.extraction.protocol import TableDigest
from modules.extraction.receipts import Judged, judge
from modules.extraction.showing import Line
from modules.extraction.standings import standing_of
from modules.extraction.verbs import VERBS, Verb
from modules.platform.placement import showing as placing

if TYPE_CHECKING:
    from modules.extraction.shadowing.differences import Fingerprint, Rate

KEPT, PACE = Kept(), Pace()
AGES: Final = {  # seconds
    "standing": 0.8,
    "guards": 4.0,
    "split": 3.0,
    "measures": 4.0,
    "copied": 0.8,
    "digests": 2.0,
    "receipts": 3.0,
    "differences": 3.0,
    "history": 0.8,
}
STEPS, FINGERPRINTS = 20, 10  # of the history, of the differences
# While these are at work writers wait: nothing else asks the module's databases.
SWAPS: Final = frozenset({Transition.CUTOVER.value, Transition.ROLLBACK.value})
_NEXT: Final = {
    Phase.MONOLITH: Transition.CREATE,
    Phase.SHADOW: Transition.CUTOVER,
    Phase.CANARY: Transition.CUTOVER,
    Phase.EXTRACTED: Transition.ROLLBACK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """The guards of the next step. ``verb`` is empty where there is none."""

    verb: str = ""
    looked: Looked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Different:
    """What shadowing has found, lately and of late."""

    rate: Rate
    latest: tuple[Fingerprint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A step of the history. ``became`` is its outcome, ``under way``, or ``killed``."""

    line: Line
    became: str
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A section that cannot be known now, and why."""

    trouble: str


def sections(names: Iterable[str], module: str, press: Press | None) -> dict[str, Any]:
    """Each section, or a Trouble; as it was at most ``AGES`` ago, and not before the module's last
    ``press`` became what it is. All are asked for at once.
    """
    occasion = (press.pk, press.outcome) if press is not None else None
    asked = {name: ((name, module), AGES[name], partial(_made, name, module)) for name in names}
    for one in asked.values():
        KEPT.begin(*one, occasion=occasion)
    return {name: _in_time(*one, occasion=occasion) for name, one in asked.items()}


def shown_in(found: Mapping[str, Any], module: str) -> showing.Shown:
    """The section ``standing``; while the databases do not answer, what is written down."""
    standing = found["standing"]
    if isinstance(standing, showing.Shown):
        return standing
    return showing.written_down(module, databases=standing.trouble)


def _in_time(*asked: Any, occasion: Any) -> Any:
    try:
        return KEPT.get(*asked, occasion=occasion)
    except TimeoutError:
        return Trouble(trouble="no answer yet")


def _made(name: str, module: str) -> Any:
    try:
        return _SECTIONS[name](module)
    except REFUSALS as error:
        return Trouble(trouble=str(error).strip().partition("\n")[0] or repr(error))


def standing(module: str) -> showing.Shown:
    """The line of ``strangler status``."""
    return showing.status(module).modules[0]


def guards(module: str) -> Guarded:
    """A dry run of the step that comes next; not while somebody swaps, who would wait for it."""
    verb = _NEXT.get(standing_of(module).phase)
    said = VERBS.get(verb.value) if verb else None
    if not isinstance(said, Verb):
        return Guarded()
    at_it = holder(module)
    if at_it is not None and at_it.verb in SWAPS:
        return Guarded(verb=said.name)
    return Guarded(verb=said.name, looked=look(said, module, options_of(said, {})))


def split(module: str) -> placing.Shown:
    """How placement divides the work, and whether the front doors follow."""
    return placing.overview(module).modules[0]


def digests(module: str) -> tuple[TableDigest, ...]:
    """Both sides' sums, table by table; none before there are two sides."""
    return protocol.compare(move_of(module)) if targets.known(module) else ()


def receipts(module: str) -> tuple[Judged, ...]:
    """Newest first, each verified."""
    return tuple(reversed(judge(module).receipts))


def differences(module: str) -> Different:
    """Of shadowed reads and commands."""
    from modules.extraction.shadowing.differences import latest, rate

    return Different(
        rate=rate(module, datetime.now(UTC) - LATELY), latest=latest(module, FINGERPRINTS)
    )


def history(module: str) -> tuple[Taken, ...]:
    """Newest first. A step without an end is under way if whoever is at the module has begun it."""
    at_it = holder(module)
    lines = reversed(showing.log_of(module, last=STEPS).steps)
    return tuple(
        _taken(line, at_it is not None and at_it.since <= line.started_at) for line in lines
    )


def _taken(line: Line, is_under_way: bool) -> Taken:
    seconds = (line.ended_at - line.started_at).total_seconds() if line.ended_at else None
    became = line.outcome or ("under way" if is_under_way else "killed")
    return Taken(line=line, became=became, seconds=seconds)


def copy_of(module: str) -> Copied | None:
    """How much of the first copy is done; None before there is one."""
    return copied(move_of(module), PACE) if targets.known(module) else None


def pressed(module: str) -> Press | None:
    """The button that is at work, or was last; never kept: its progress is what people wait for."""
    return current(module)


_SECTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "standing": standing,
    "guards": guards,
    "split": split,
    "measures": measures,
    "copied": copy_of,
    "digests": digests,
    "receipts": receipts,
    "differences": differences,
    "history": history,
}

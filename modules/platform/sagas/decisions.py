"""What the pure function of a saga hears and answers. No Django, no clock, no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeAlias


class State(Protocol):
    """A saga's state: a frozen dataclass of contract types; ``phase`` is where it stands."""

    @property
    def phase(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """A command to carry out: ``kind`` names one of the definition's ``perform`` functions.

    ``undoes``: a compensation, or anything else that must happen in the end: it is never
    superseded, is tried for 24 h and is then left to a person.
    """

    kind: str
    undoes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The saga begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A command was carried out. ``result`` is what ``perform`` returned, None by hand.

    ``late``: a forward command that had been superseded took effect after all.
    """

    kind: str
    result: Any = None
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A forward command was refused for good; ``code`` is the contract error's."""

    kind: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    """A compensation is left to a person from now on; ``Answered`` follows once it is settled."""

    kind: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The deadline of the present phase passed.

    ``errors``: why the forward commands that are still pending did not succeed so far, by kind:
    the code of the last error. A command that was never tried is not in it.
    """

    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """The module itself tells the saga something."""

    name: str
    data: Mapping[str, str] = field(default_factory=dict)


SagaEvent: TypeAlias = Started | Answered | Refused | GaveUp | Expired | Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The new state, what to do now, and how long this may take (None: no limit).

    A new phase supersedes forward commands that are still pending.
    """

    state: State
    commands: tuple[Do, ...] = ()
    deadline: timedelta | None = None

"""One process of a host on one machine, as a declaration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum


class Stage(IntEnum):
    """Processes are started in this order and stopped in the reverse one.

    The front door stops first, so that each request that came in is still answered; what stands
    in for others' servers stops last, so that whoever works can end what it does with them.
    """

    SURROUNDINGS = 0
    WORK = 1
    WEB = 2
    DOOR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process. ``ports`` are the TCP ports it listens on, by the variables that name them.

    ``after`` is an address that must answer before it is started, ``environment`` what it gets
    beside the variables that all of them get. One that is ``vital`` ends everything when it cannot
    be kept alive; without another all else goes on, and it is tried again and again.
    """

    name: str
    command: Sequence[str]
    stage: Stage = Stage.WORK
    ports: Mapping[str, int] = field(default_factory=dict)
    after: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    vital: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The processes that should run now beside those that always do; ``trouble`` is one line about
    those that should and cannot begin.
    """

    processes: Sequence[Process] = ()
    trouble: str = ""


# Asked now and then, in a thread; whatever it raises, what runs is left running.
Source = Callable[[], Wanted]


def nothing_more() -> Wanted:
    """The source of a host whose processes are always the same."""
    return Wanted()

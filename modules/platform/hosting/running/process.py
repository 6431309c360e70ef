"""One process of a host on one machine, as a declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    beside the variables that all of them get.
    """

    name: str
    command: Sequence[str]
    stage: Stage = Stage.WORK
    ports: Mapping[str, int] = field(default_factory=dict)
    after: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

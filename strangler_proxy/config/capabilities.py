"""Modules that leave the monolith: where one runs now, and how its commands wait meanwhile."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from strangler_proxy.config.kinds import Count, Name, Part, Percent, Seconds
from strangler_proxy.config.mirroring import Mirror


class Phase(StrEnum):
    """Where a capability stands on its way out of the monolith."""

    MONOLITH = "monolith"
    SHADOW = "shadow"
    CANARY = "canary"
    EXTRACTED = "extracted"
    RETIRED = "retired"


class Hold(Part, frozen=True):
    """How commands wait while the authority of their capability moves."""

    queue: Count = 512
    seconds: Seconds = 5.0


class Capability(Part, frozen=True):
    """A module, and where it runs now. Several routes may lead to it."""

    monolith: Name
    service: Name | None = None
    phase: Phase = Phase.MONOLITH
    percent: Percent = 0  # of sticky keys that the service answers in phase canary
    epoch: Annotated[int, Meta(ge=0)] = 0  # of the authority that this table knows
    held: bool = False  # commands wait; reads flow
    hold: Hold = Hold()
    mirror: Mirror | None = None  # copies of what the monolith answers, in shadow and canary

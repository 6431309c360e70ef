"""Durable processes over several modules: a row, a pure function, and compensations.

Modules import from here; docs/sagas.md says how it works.
"""

from modules.platform.sagas.decisions import (
    Answered,
    Decision,
    Do,
    Expired,
    GaveUp,
    Refused,
    SagaEvent,
    Signal,
    Started,
)
from modules.platform.sagas.definition import Call, Change, Definition

__all__ = [
    "Answered",
    "Call",
    "Change",
    "Decision",
    "Definition",
    "Do",
    "Expired",
    "GaveUp",
    "Refused",
    "SagaEvent",
    "Signal",
    "Started",
]

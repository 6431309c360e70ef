"""Every verb of ``manage.py strangler``, by its name."""

from modules.extraction.verbs import (
    drilling,
    looking,
    moving,
    repairing,
    retiring,
    running,
    shadowing,
)
from modules.extraction.verbs.verb import Call, Look, Verb

VERBS: dict[str, Verb | Look] = {
    one.name: one
    for one in (
        *looking.VERBS,
        *moving.VERBS,
        *running.VERBS,
        *repairing.VERBS,
        *drilling.VERBS,
        *retiring.VERBS,
        *shadowing.VERBS,
    )
}

__all__ = ["VERBS", "Call", "Look", "Verb"]

"""Whether what a host composes and where its modules stand go together."""

from __future__ import annotations

from django.conf import settings

from modules.extraction.phases import SERVICE_OWNS, Phase
from modules.extraction.standings import standing_of
from modules.platform.console import CommandFailed
from modules.platform.databases.retired import why_retired


def check_composition() -> None:
    """Raises CommandFailed for a module that is retired and composed here, and for one that is
    left out (``RETIRED_MODULES``) while its data is this host's: then nobody would have it.
    """
    for module in settings.FICUS_MODULES:
        if standing_of(module).phase is Phase.RETIRED:
            raise CommandFailed(why_retired(module))
    for module in settings.FICUS_RETIRED:
        phase = standing_of(module).phase
        if phase not in SERVICE_OWNS:
            raise CommandFailed(
                f"{module} is in RETIRED_MODULES, and in phase {phase}: its data is here; take it "
                f"out, or move it first (manage.py strangler plan {module})"
            )

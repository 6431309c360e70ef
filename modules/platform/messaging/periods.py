"""Beat sends a module's periodic tasks only while the module's live data is its host's.

While a module is being moved two hosts have it, each with a beat; both would send into one queue.
"""

from __future__ import annotations

from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry

from modules.platform.databases import installed_modules
from modules.platform.messaging.authority import hosted


class ByAuthority(PersistentScheduler):
    """Lets a module's own task (``payment.reconcile``) pass where the module is elsewhere.

    Tasks that are no module's are every host's.
    """

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        module = entry.task.partition(".")[0]
        if module not in installed_modules() or hosted(module):
            super().apply_entry(entry, producer=producer)

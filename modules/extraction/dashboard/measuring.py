"""Errors and latency of both sides, as the front doors and this host's calls have counted them.

Numbers are of the time since somebody looks at the page. An analysis (``canary --auto``) keeps its
own readings; this keeps none beyond the process.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import UTC, datetime, timedelta

from modules.extraction.analysis.collecting import collected
from modules.extraction.analysis.judging import Line, judged
from modules.extraction.analysis.readings import Counted, added, pairs

LATELY = timedelta(minutes=15)  # at most
_seen: dict[str, deque[tuple[datetime, Counted]]] = {}
_lock = threading.Lock()


def measures(module: str) -> tuple[Line, ...]:
    """What has work to show, or a trouble; nothing where nobody counts. Looks once more."""
    now, counted = datetime.now(UTC), collected(module)
    with _lock:
        seen = _seen.setdefault(module, deque())
        seen.append((now, counted))
        while seen[0][0] < now - LATELY:
            seen.popleft()
        began, first = seen[0]
    found = judged(
        module,
        pairs(added(first, counted)),
        seconds=(now - began).total_seconds(),
        troubles=counted.troubles,
    )
    return tuple(one for one in found.lines if one.canary_count or one.monolith_count or one.note)

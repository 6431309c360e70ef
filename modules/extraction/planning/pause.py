"""How long writes would wait at a cutover: an estimate from what was measured here and now."""

from __future__ import annotations

from modules.extraction.planning.plans import Data

# The last changes read, and brought in a transaction; the commit point; the grant. The disk is
# waited for by the commit point and by the first write (docs/extraction-protocol.md, *Cutover* and
# *Networks*).
TRIPS = 6
COMMIT = 0.001  # seconds to bring a commit to a disk that is not a bad one
COMMITS = 2
CYCLE = 0.02  # seconds between two looks of the applier: what was written since is still to come
APPLIED = 20_000.0  # rows a second that one applier brings across, on the safe side
# The fence waits so long for transactions under way, then lets go and tries again.
LOCK_TIMEOUT = 0.1


def pause_of(data: Data) -> float:
    """Milliseconds from the fence to the first write on the other side."""
    waits = min(data.oldest, LOCK_TIMEOUT)
    behind = data.rate * CYCLE / APPLIED
    return 1000 * (TRIPS * data.round_trip + COMMITS * COMMIT + behind + waits)

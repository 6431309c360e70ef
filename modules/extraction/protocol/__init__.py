"""The data half of an extraction: PostgreSQL and psycopg alone, no Django.

Only ``modules.extraction`` may import it. What it does and why it is right is in
docs/extraction-protocol.md.
"""

from modules.extraction.protocol.checking import Check, preflight
from modules.extraction.protocol.copying import Backfill, Pace, Progress, tune
from modules.extraction.protocol.cutting_over import cutover
from modules.extraction.protocol.digests import TableDigest, compare
from modules.extraction.protocol.errors import (
    CaptureAway,
    Controlled,
    Diverged,
    FenceRefused,
    NotDrained,
    NotInstalled,
    NotReady,
    NotYetGranted,
    ProtocolError,
    Refusal,
    StalePosition,
    StillMoved,
    StreamStopped,
    SwapRefused,
    TimeIsUp,
    Unmovable,
    refusal,
)
from modules.extraction.protocol.following import Follower
from modules.extraction.protocol.healing import Healed, State, heal
from modules.extraction.protocol.installing import cover, install
from modules.extraction.protocol.owning import Ownership, ownership
from modules.extraction.protocol.receipts import SwapReceipt
from modules.extraction.protocol.repairing import Mended, Wrong, examine, repair
from modules.extraction.protocol.rolling_back import rollback
from modules.extraction.protocol.scrubbing import Difference, ScrubProgress, ScrubResult, scrub
from modules.extraction.protocol.sides import Direction, Move, Side
from modules.extraction.protocol.streams import Applied, Stream
from modules.extraction.protocol.tables import movable_tables
from modules.extraction.protocol.uninstalling import release, uninstall, withdraw

__all__ = [
    "Applied",
    "Backfill",
    "CaptureAway",
    "Check",
    "Controlled",
    "Difference",
    "Direction",
    "Diverged",
    "FenceRefused",
    "Follower",
    "Healed",
    "Mended",
    "Move",
    "NotDrained",
    "NotInstalled",
    "NotReady",
    "NotYetGranted",
    "Ownership",
    "Pace",
    "Progress",
    "ProtocolError",
    "Refusal",
    "ScrubProgress",
    "ScrubResult",
    "Side",
    "StalePosition",
    "State",
    "StillMoved",
    "Stream",
    "StreamStopped",
    "SwapReceipt",
    "SwapRefused",
    "TableDigest",
    "TimeIsUp",
    "Unmovable",
    "Wrong",
    "compare",
    "cover",
    "cutover",
    "examine",
    "heal",
    "install",
    "movable_tables",
    "ownership",
    "preflight",
    "refusal",
    "release",
    "repair",
    "rollback",
    "scrub",
    "tune",
    "uninstall",
    "withdraw",
]

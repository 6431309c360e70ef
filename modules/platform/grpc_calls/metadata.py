"""What both sides of a call say beside its messages, and how much of it they take."""

from __future__ import annotations

from collections.abc import Iterable

# Trailing metadata. Those that end in -bin hold bytes (messages of ficus.platform.v1).
OUTCOME = "ficus-outcome"
RAISED = "ficus-raised-bin"
REFUSED = "ficus-refused-bin"

MOST = 1_000_000  # bytes of an error's own fields; gRPC's own limit, 8 KB, is less than some have

Metadata = tuple[tuple[str, str | bytes], ...]
Options = list[tuple[str, int]]

# Both sides. Nothing is repeated here: the machinery of calls does that, and knows what it may.
LIMITS: Options = [
    ("grpc.max_metadata_size", MOST),
    ("grpc.absolute_max_metadata_size", MOST + MOST // 4),
    ("grpc.max_send_message_length", -1),  # the other side says how much it takes
]


def by_name(given: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str | bytes]:
    """Metadata by name; of one that is said twice, the first."""
    found: dict[str, str | bytes] = {}
    for name, value in given or ():
        found.setdefault(name, value)
    return found


def text(given: dict[str, str | bytes], name: str) -> str:
    """A member that is text; empty when it is absent."""
    value = given.get(name, "")
    return value if isinstance(value, str) else ""


def data(given: dict[str, str | bytes], name: str) -> bytes:
    """A member that is bytes; empty when it is absent."""
    value = given.get(name, b"")
    return value if isinstance(value, bytes) else b""

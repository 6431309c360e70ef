"""A running embedded server, as its callers see it."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a server answers, its process, and whether this very call started it.

    The server outlives the process that started it: `stop()` ends it, whoever started it.
    """

    url: str = field(repr=False)  # may carry a password: never printed by accident
    pid: int
    started: bool
    shutdown: Callable[[], None] = field(repr=False, compare=False)

    def stop(self) -> None:
        """End the server; nothing happens if it has ended. Raises EmbeddedServerError."""
        self.shutdown()

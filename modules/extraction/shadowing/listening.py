"""Writes down some of a module's commands, whichever way they come, without slowing anybody.

It listens at the methods of the port's implementation, which REST, calls and sagas all go through.
The caller's thread puts the command into a bounded queue; a thread of its own writes. What finds
the queue full is lost, and counted.
"""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Callable
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any

import psycopg
import structlog
from prometheus_client import Counter

from modules.extraction.modules_here import declared, movable_modules
from modules.extraction.routing.watching import Authorities, authorities
from modules.platform.binding import Method, implementation_of, methods_of, port_of
from modules.platform.contracts.codec import encode
from modules.platform.databases.roles import login
from modules.platform.discovery.forking import renew_after_fork
from modules.platform.hosting.dry import answers_dry

if TYPE_CHECKING:
    from modules.extraction.shadowing.firsts import Recording

log = structlog.get_logger(__name__)

WAITING = 200  # commands in the queue
# The query: where nobody has replayed what is older, nobody is at it, and nothing more is kept.
LONGEST = 16_384  # bytes of arguments; larger ones are not written down
AGAIN = 1.0  # seconds after a failure
_PUT = """
INSERT INTO extraction.extraction_shadow_asked (module, operation, arguments, first)
SELECT %(module)s::text, %(operation)s::text, %(arguments)s::text, %(first)s::text
WHERE NOT EXISTS (
    SELECT FROM extraction.extraction_shadow_asked
    WHERE module = %(module)s::text AND at < now() - interval '2 minutes')
"""
SAMPLED = Counter(
    "ficus_shadow_commands_total", "Commands written down for shadowing.", ["module", "result"]
)
Line = tuple[str, str, str, str | None]


class Notebook:
    """One per process: takes commands at once, writes them when it comes to it."""

    def __init__(self, connect: Callable[[], Any] = lambda: login("extraction")) -> None:
        self._connect = connect
        self._begin()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._begin()

    def take(
        self, module: str, operation: str, given: dict[str, Any], first: Recording | None = None
    ) -> None:
        """Queue it, or lose it. Never waits, never raises."""
        try:
            text = encode(given).decode()
            if len(text) > LONGEST:
                SAMPLED.labels(module, "too_large").inc()
                return
            self._queue.put_nowait((module, operation, text, first.told() if first else None))
            self._ensure()
        except Full:
            SAMPLED.labels(module, "lost").inc()
        except Exception as error:  # it must not become the command's own
            log.warning("extraction.command_not_taken", module=module, error=repr(error))

    def close(self) -> None:
        """Write what waits, then stop."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        self._queue: Queue[Line] = Queue(WAITING)
        self._stop = threading.Event()
        self._making = threading.Lock()
        self._thread: threading.Thread | None = None

    def _ensure(self) -> None:
        with self._making:
            if self._thread is None:
                run = threading.Thread(target=self._run, name="notebook", daemon=True)
                self._thread = run
                run.start()

    def _run(self) -> None:
        while not (self._stop.is_set() and self._queue.empty()):
            try:
                with self._connect() as connection:
                    self._write(connection)
            except psycopg.Error as error:
                log.warning("extraction.commands_not_written", error=str(error).strip())
                if self._stop.wait(AGAIN):
                    return

    def _write(self, connection: psycopg.Connection[Any]) -> None:
        while True:
            try:
                line = self._queue.get(timeout=0.1)
            except Empty:
                if self._stop.is_set():
                    return
                continue
            names = ("module", "operation", "arguments", "first")
            connection.execute(_PUT, dict(zip(names, line, strict=True)))
            SAMPLED.labels(line[0], "written").inc()


def listen(notebook: Notebook, known: Authorities | None = None) -> Callable[[], None]:
    """Listen to the commands of every movable module that calls no other; returns what ends it.

    One that calls others cannot be asked dry: what it would have others do is no row of its own.
    """
    ends: list[Callable[[], None]] = []
    for module in movable_modules():
        port = port_of(module)
        if port is None or declared(module).calls:
            continue
        kind: type[Any] = type(implementation_of(port))
        for method in methods_of(port).values():
            if method.is_command:
                ends.append(_listen_to(kind, method, notebook, known or authorities()))

    def end_all() -> None:
        for end in ends:
            end()

    return end_all


def _listen_to(
    kind: type[Any], method: Method, notebook: Notebook, known: Authorities
) -> Callable[[], None]:
    before = getattr(kind, method.name)
    names = list(method.parameters)

    @functools.wraps(before)
    def listened(self: object, *args: Any, **kwargs: Any) -> Any:
        percent = known.sampled(method.module)
        # Dry: else what is asked again would be asked again.
        if not percent or answers_dry() or random.random() * 100 >= percent:  # noqa: S311 - a sample
            return before(self, *args, **kwargs)
        # Here: it needs the whole protocol, which few processes ever do, and all would load.
        from modules.extraction.shadowing.firsts import recording

        given = dict(zip(names, args, strict=False)) | kwargs
        first = None
        try:
            with recording(method.module) as first:
                if first is None:
                    return before(self, *args, **kwargs)
                return first.listen(lambda: before(self, *args, **kwargs))
        finally:
            notebook.take(method.module, method.name, given, first)

    setattr(kind, method.name, listened)
    return lambda: setattr(kind, method.name, before)

"""Counts what one request asks of the databases, in process, from outside the code.

Runs in our environment and in the peer's: it needs Django only.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

_READS = ("SELECT", "SHOW", "SET", "SAVEPOINT", "RELEASE", "ROLLBACK")


@dataclass(slots=True, kw_only=True)
class Tally:
    """``journal``: each statement and each commit in order, with its database alias.

    An autocommitted write is a statement and a commit.
    """

    journal: list[str] = field(default_factory=list)
    statements: int = 0
    commits: int = 0

    def statement(self, alias: str, sql: str, *, commits: bool) -> None:
        self.journal.append(f"{alias}: {sql}")
        self.statements += 1
        if commits:
            self.commit(alias)

    def commit(self, alias: str) -> None:
        self.journal.append(f"{alias}: COMMIT")
        self.commits += 1


@contextmanager
def counted() -> Iterator[Tally]:
    """Count on all of this thread's connections."""
    tally = Tally()

    def note(execute: Any, sql: Any, parameters: Any, many: bool, context: Any) -> Any:
        text = " ".join(str(sql).split())
        connection = context["connection"]
        writes = not text.upper().startswith(_READS)
        tally.statement(connection.alias, text, commits=writes and not connection.in_atomic_block)
        return execute(sql, parameters, many, context)

    commit = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]

    def noted(self: Any) -> Any:
        tally.commit(self.alias)
        return commit(self)

    with ExitStack() as stack:
        for connection in connections.all():
            stack.enter_context(connection.execute_wrapper(note))
        BaseDatabaseWrapper._commit = noted  # type: ignore[attr-defined]
        stack.callback(setattr, BaseDatabaseWrapper, "_commit", commit)
        yield tally


class WsgiClient:
    """Calls a WSGI application as a server would, in this thread."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def request(
        self, method: str, path: str, body: bytes = b"", headers: str = ""
    ) -> tuple[int, bytes]:
        """Status and body; ``headers`` are whole lines, as the real client takes them."""
        place, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": place,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if body:
            environ["CONTENT_TYPE"] = "application/json"
        for line in headers.split("\r\n"):
            name, _, value = line.partition(": ")
            if name:
                environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        status: list[int] = []
        answer = self._application(environ, lambda line, fields: status.append(int(line[:3])))
        try:
            return status[0], b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()

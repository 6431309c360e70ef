"""Records pairs of answers for later comparison, without ever slowing the answers.

The event loop only puts a pair into a bounded queue; one thread of the recorder's own hides what
nobody is to read, writes the lines and sees to the bounds of the files. When the queue is full,
pairs are dropped and counted; when the disk refuses, that is counted and said once. Nothing of
it reaches a client. The format is in ``recorded``.
"""

from __future__ import annotations

import base64
import logging
import os
import threading
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

import msgspec

from strangler_proxy import config
from strangler_proxy.errors import Field
from strangler_proxy.mirror.exchanged import Answered, Exchanged, Tap
from strangler_proxy.mirror.files import RecordingFiles
from strangler_proxy.mirror.recorded import VERSION, Answer, Body, Pair, Request
from strangler_proxy.mirror.redaction import KEY_BYTES, Redaction

WAITING_BYTES = 33_554_432  # of bodies in the queue; 1,024 pairs of three full ones would be 200 MB
_FORM = "application/x-www-form-urlencoded"

log = logging.getLogger(__name__)


class Recorder:
    """Takes pairs from the event loop and writes them below ``folder``.

    ``recorded``, ``dropped`` (the queue was full) and ``failed`` (the disk refused) count pairs.
    ``key`` hides what nobody is to read; it is random unless a test gives it.
    """

    def __init__(
        self,
        folder: Path,
        rules: config.Recording = config.Recording(),  # noqa: B008 - frozen
        *,
        clock: Callable[[], float] = time.time,
        key: bytes | None = None,
    ) -> None:
        self._key = os.urandom(KEY_BYTES) if key is None else key
        self._rules = rules
        self._folder = folder
        self._files = RecordingFiles(
            folder,
            file_bytes=rules.file_bytes,
            files=rules.files,
            total_bytes=rules.total_bytes,
            clock=clock,
        )
        self._redaction = Redaction(
            self._key, headers=rules.hidden_headers, members=rules.hidden_members
        )
        self._queue: SimpleQueue[Exchanged | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._troubled = False
        self._taken_bytes = 0  # written by the event loop only
        self._done_bytes = 0  # written by the thread only
        self.recorded = 0
        self.dropped = 0
        self.failed = 0

    def tap(self) -> Tap:
        """For one body of a pair."""
        return Tap(self._rules.body_bytes, self._key)

    def record(self, pair: Exchanged) -> bool:
        """Put a pair into the queue; False if it was dropped. Never waits."""
        size = pair.kept()
        waiting = self._taken_bytes - self._done_bytes
        full = self._queue.qsize() >= self._rules.queue or waiting + size > WAITING_BYTES
        if self._closed or full:
            self.dropped += 1
            return False
        self._taken_bytes += size
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
            self._thread.start()
        self._queue.put(pair)
        return True

    def close(self, timeout: float = 5.0) -> bool:
        """Write what waits, for at most ``timeout`` seconds; whether all of it was written out.

        It blocks: call it when the loop has nothing else to do, or from a thread.
        """
        self._closed = True
        if self._thread is None:
            return True
        self._queue.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (pair := self._queue.get()) is not None:
            self._write(pair)
            self._done_bytes += pair.kept()
        self._files.close()

    def _write(self, pair: Exchanged) -> None:
        try:
            line = msgspec.json.encode(self._recorded(pair)) + b"\n"
            self._files.append(pair.route, line)
        except Exception as error:  # the thread must outlive whatever one pair brings
            self.failed += 1
            if not self._troubled:
                self._troubled = True
                log.error("pairs for %s are not recorded: %s", self._folder, error)
            return
        self.recorded += 1
        if self._troubled:
            self._troubled = False
            log.warning("pairs for %s are recorded again; %d were not", self._folder, self.failed)

    def _recorded(self, pair: Exchanged) -> Pair:
        asked = pair.request
        return Pair(
            version=VERSION,
            at=datetime.fromtimestamp(pair.at, UTC),
            route=pair.route,
            capability=pair.capability,
            request_id=pair.request_id,
            trace_id=pair.trace_id,
            revision=pair.revision,
            epoch=pair.epoch,
            attempts=pair.attempts,
            request=Request(
                method=asked.method.decode("latin-1"),
                target=self._redaction.target(asked.target.decode("latin-1")),
                headers=self._redaction.fields(asked.fields),
                body=self._body(asked.body, asked.fields),
            ),
            primary=self._answer(pair.primary),
            mirrored=self._answer(pair.mirrored),
        )

    def _answer(self, answered: Answered) -> Answer:
        return Answer(
            upstream=answered.upstream,
            status=answered.status,
            headers=self._redaction.fields(answered.fields),
            body=self._body(answered.body, answered.fields),
            seconds=answered.seconds,
            failure=answered.failure,
        )

    def _body(self, tap: Tap | None, fields: tuple[Field, ...]) -> Body | None:
        if tap is None or not tap.size:
            return None
        headers = {name.lower(): value.strip().lower() for name, value in fields}
        coding = headers.get(b"content-encoding", b"identity")
        content, cut = tap.content, tap.size > tap.kept
        if coding == b"gzip":
            content, cut = _unzipped(content, self._rules.body_bytes, cut)
        elif coding not in (b"identity", b""):
            return Body(bytes=tap.size, digest=tap.digest, cut=True)
        text = _text(content, cut)
        if text is None:
            encoded = base64.b64encode(content).decode()
            return Body(bytes=tap.size, digest=tap.digest, base64=encoded, cut=cut)
        kind = headers.get(b"content-type", b"").decode("latin-1")
        hidden = (
            self._redaction.form(text) if kind.startswith(_FORM) else self._redaction.json(text)
        )
        return Body(bytes=tap.size, digest=tap.digest, text=hidden, cut=cut)


def _unzipped(content: bytes, limit: int, cut: bool) -> tuple[bytes, bool]:
    """At most ``limit`` bytes of what is inside; nothing, cut, if it is not gzip after all."""
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(content, limit)
    except zlib.error:
        return b"", True
    return plain, cut or not stream.eof


def _text(content: bytes, cut: bool) -> str | None:
    """UTF-8 as text; a character cut in two at the end goes."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        if cut and len(content) - error.start < 4:
            return content[: error.start].decode()
        return None

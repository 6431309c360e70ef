"""What every host's web server loads: Django, which here also reads bodies of unknown length, and
notices one that is shorter than was said."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest


def application() -> WSGIHandler:
    """The host's WSGI application; its settings must be named before."""
    django.setup(set_prefix=False)
    return Handler()


class Request(WSGIRequest):
    """Takes a body without ``Content-Length`` as well: chunked, or over HTTP/2.

    Django takes such a body for none, since PEP 3333 lets a server leave its input open behind it.
    A server that ends its input where the body ends says so (``wsgi.input_terminated``); granian
    does. How much of it is read into memory Django bounds as ever, by what really comes.

    A body that breaks off cannot be read (``UnreadablePostError``) if its length was announced. If
    not it ends like a whole one, for granian does not tell the two apart: an operation that could
    not notice it either asks for a length (``needs_length``).
    """

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        self.unannounced = bool(
            environ.get("wsgi.input_terminated") and not environ.get("CONTENT_LENGTH")
        )
        length = environ.get("CONTENT_LENGTH", "")
        if self.unannounced:
            self._stream = io.BufferedReader(_Piecewise(environ["wsgi.input"].read))
        elif environ.get("wsgi.input_terminated") and length.isdecimal():
            self._stream = io.BufferedReader(_Announced(environ["wsgi.input"].read, int(length)))

    def parse_file_upload(self, META: Mapping[str, Any], post_data: Any) -> Any:
        """A form with files: without a length Django takes it for an empty one.

        With one so large no file of it is kept in memory.
        """
        if self.unannounced:
            META = {**META, "CONTENT_LENGTH": sys.maxsize}
        return super().parse_file_upload(META, post_data)


class Handler(WSGIHandler):
    """Django's, with that request."""

    request_class = Request


class _Piecewise(io.RawIOBase):
    """Reads by size only: granian's ``read()`` forgets what it has buffered, its ``readline()``
    drops line ends."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Announced(_Piecewise):
    """So many bytes, and not fewer. Raises OSError, as a connection that is lost."""

    def __init__(self, read: Callable[[int], bytes], length: int) -> None:
        super().__init__(read)
        self._left = length

    def readinto(self, buffer: Any, /) -> int:
        size = super().readinto(memoryview(buffer)[: self._left])
        if self._left and not size:
            raise OSError(f"the body ended {self._left} bytes too soon")
        self._left -= size
        return size

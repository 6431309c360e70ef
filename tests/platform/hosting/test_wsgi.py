"""Bodies of unknown length, as granian hands them over."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig
from django.http import UnreadablePostError
from django.test import override_settings

from modules.platform.hosting.wsgi import Handler, Request

FORM = b"\r\n".join(
    [
        b"--B",
        b'Content-Disposition: form-data; name="reason"',
        b"",
        b"new prices",
        b"--B",
        b'Content-Disposition: form-data; name="file"; filename="a.csv"',
        b"",
        b"sku\nA-1\n",
        b"--B--",
        b"",
    ]
)


class Input:
    """granian's ``wsgi.input``: reading it other than by size loses some of it."""

    def __init__(self, body: bytes) -> None:
        self.left = body

    def read(self, size: int) -> bytes:
        data, self.left = self.left[:size], self.left[size:]
        return data

    def readline(self, *_: Any) -> bytes:
        raise AssertionError("granian's lines have no ends")


def request_of(input: Input, **environ: Any) -> Request:
    """A POST as granian describes it."""
    said = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "HTTP_TRANSFER_ENCODING": "chunked"}
    return Request({**said, "wsgi.input": input, "wsgi.input_terminated": True, **environ})


@pytest.mark.parametrize("size", [0, 1, 8192, 100_000])
def test_body_without_a_length_is_read_to_its_end(size: int) -> None:
    """However often one looks at it."""
    request = request_of(Input(b"x" * size))
    assert request.body == b"x" * size
    assert request.body == b"x" * size


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10_000)
def test_only_as_much_is_read_as_is_taken() -> None:
    """And a buffer of a few KiB; the rest of what is too large stays with the server."""
    assert len(request_of(Input(b"x" * 10_000)).body) == 10_000
    input = Input(b"x" * 100_000)
    with pytest.raises(RequestDataTooBig):
        request_of(input).body  # noqa: B018
    assert len(input.left) > 80_000


def test_it_can_be_streamed() -> None:
    """By size, by line, and what is left at once."""
    request = request_of(Input(b"sku,name\nA-1,Apple\nB-1,Pear\n"))
    assert request.read(4) == b"sku,"
    assert request.readline() == b"name\n"
    assert next(iter(request)) == b"A-1,Apple\n"
    assert request.read() == b"B-1,Pear\n"
    assert request.read(1) == b""


def test_forms_are_understood() -> None:
    """With files and without."""
    plain = request_of(Input(b"a=1&b=2"), CONTENT_TYPE="application/x-www-form-urlencoded")
    assert plain.POST.dict() == {"a": "1", "b": "2"}
    parts = request_of(Input(FORM), CONTENT_TYPE="multipart/form-data; boundary=B")
    assert parts.POST.dict() == {"reason": "new prices"}
    with parts.FILES["file"] as file:
        assert file.read() == b"sku\nA-1\n"


def test_an_announced_length_holds() -> None:
    """What comes behind is another's."""
    assert request_of(Input(b"abcdef"), CONTENT_LENGTH="3").body == b"abc"


def test_a_body_that_breaks_off_is_none() -> None:
    """Its length was announced: what has come of it must not pass for the whole."""
    request = request_of(Input(b"sku,name\nA-1,Apple\n"), CONTENT_LENGTH="40")
    with pytest.raises(UnreadablePostError, match="21 bytes too soon"):
        request.body  # noqa: B018
    streamed = request_of(Input(b"abc"), CONTENT_LENGTH="4")
    with pytest.raises(UnreadablePostError):
        streamed.read()
    form = request_of(
        Input(FORM[:-20]),
        CONTENT_TYPE="multipart/form-data; boundary=B",
        CONTENT_LENGTH=str(len(FORM)),
    )
    with pytest.raises(UnreadablePostError):
        form.POST  # noqa: B018


def test_an_input_that_may_stay_open_is_not_read() -> None:
    """Of a server that says nothing about the end, as Django's own."""
    assert request_of(Input(b"abc"), **{"wsgi.input_terminated": False}).body == b""


@pytest.mark.parametrize("host", ["shop", "extracted.payment", "extracted.notification"])
def test_every_host_serves_so(host: str) -> None:
    """What granian loads."""
    assert isinstance(importlib.import_module(f"{host}.wsgi").application, Handler)

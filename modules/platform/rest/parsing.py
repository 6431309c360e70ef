"""Bodies and query strings into declared types, with errors that point at the field."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from django.http import QueryDict

from modules.platform.contracts.codec import convert, decoder_of
from modules.platform.rest.problems import Problem

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]+)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>[^`]+)`$")


def parse_body(data: bytes, as_type: type[T]) -> T:
    """The JSON body as ``as_type``. Raises Problem 400 (not JSON) or 422 (wrong field)."""
    if b"\\u0000" in data or b"\x00" in data:
        # PostgreSQL's text cannot hold it, whatever the field.
        raise Problem.invalid("", "the character U+0000 cannot be stored", code="bad_character")
    try:
        body: T = decoder_of(as_type).decode(data)
    except msgspec.ValidationError as error:
        raise _problem(error, prefix="") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "malformed_body", f"The body is not JSON: {error}") from error
    return body


def parse_query(given: QueryDict, as_type: type[S]) -> S:
    """The query string as ``as_type``; a tuple field takes comma-separated values.

    Raises Problem 422 that points at ``query/<name>``.
    """
    lists = _list_fields(as_type)
    values: dict[str, Any] = {}
    for name in given:
        text = str(given[name])
        if "\x00" in text:
            raise Problem.invalid(
                f"query/{name}", "U+0000 cannot be searched", code="bad_character"
            )
        values[name] = text.split(",") if name in lists else text
    try:
        return convert(values, as_type, strict=False)
    except msgspec.ValidationError as error:
        raise _problem(error, prefix="query") from error


@cache
def _list_fields(as_type: type[msgspec.Struct]) -> frozenset[str]:
    fields = msgspec.structs.fields(as_type)
    return frozenset(field.name for field in fields if _is_tuple(field.type))


def _is_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple or any(get_origin(h) is tuple for h in get_args(hint))


def _problem(error: msgspec.ValidationError, *, prefix: str) -> Problem:
    match = _PLACE.match(str(error))
    what, path = (match["what"], match["path"]) if match else (str(error), None)
    pointer = prefix + _pointer(path or "$")
    code = "invalid"
    for pattern, name in ((_MISSING, "missing"), (_UNKNOWN, "unknown_field")):
        if found := pattern.match(what):
            pointer, code = f"{pointer}/{found['name']}", name
            what = "is required" if name == "missing" else "is not known here"
    return Problem.invalid(pointer, what[:1].lower() + what[1:], code=code)


def _pointer(path: str) -> str:
    """msgspec's ``$.lines[0].quantity`` as the JSON pointer ``/lines/0/quantity``."""
    parts = re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", path)
    return "".join(f"/{name or index}" for name, index in parts)

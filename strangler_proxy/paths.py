"""Request targets as routes see them: one spelling for each path, and none for doubtful ones.

Only matching works on these: the upstream gets the target as it was sent. So what an upstream
could read differently from us (dot segments, encoded slashes, backslashes, control characters,
broken encoding) is refused instead of interpreted, and ``/rpc`` is recognised in every spelling.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from strangler_proxy.errors import Refusal

# Its own canonical form, as most paths are: no segment is empty or begins with a dot, and there is
# nothing in it but visible ASCII without % \\ # ? and ;
is_plain: Final = re.compile(
    rb"(?=/)(?:/[!\"$&-\-0-:<->@-\[\]-~][!\"$&-.0-:<->@-\[\]-~]*+)*+/?\Z"
).match
INTERNAL = b"rpc"  # the first segment of calls between hosts

_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})").search
_HIDDEN = re.compile(rb"%(?:2[Ff]|5[Cc])").search
_ENCODED = re.compile(rb"%[0-9A-Fa-f]{2}").search
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]").search
_DOTS = re.compile(rb"/\.{1,2}(?:;[^/]*)?(?:/|\Z)").search
_SLASHES = re.compile(rb"//+").sub
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)\Z", re.IGNORECASE).match
_AUTHORITY = re.compile(
    rb"([a-z0-9._~!$&'()*+,;=%-]+|\[[0-9a-f:.]+\])(?::[0-9]{0,5})?\Z", re.IGNORECASE
).match


def _ambiguous(detail: str) -> Refusal:
    return Refusal(400, "ambiguous_path", detail)


BAD_TARGET = Refusal(400, "bad_target", "The target is neither a path nor an http URL.")
BROKEN = _ambiguous("A percent sign is not followed by two hexadecimal digits.")
HIDDEN = _ambiguous("The path has an encoded slash or backslash.")
BACKSLASH = _ambiguous("The path has a backslash or a number sign.")
CONTROL = _ambiguous("The path has a control character.")
DOTS = _ambiguous("The path has a segment of dots.")
NESTED = _ambiguous("The first segment of the path is encoded twice.")


def canonical(path: bytes) -> bytes | Refusal:
    """The path decoded, with single slashes. ``path`` begins with a slash and has no query."""
    if b"\\" in path or b"#" in path:
        return BACKSLASH
    if b"%" in path:
        if _BROKEN(path):
            return BROKEN
        if _HIDDEN(path):
            return HIDDEN
        path = unquote_to_bytes(path)
    if _CONTROL(path):
        return CONTROL
    path = _SLASHES(b"/", path)
    if _DOTS(path):
        return DOTS
    # Somebody behind us may decode once more than we do; here that would open the door.
    if b"%" in path and _ENCODED(path[1:].partition(b"/")[0]):
        return NESTED
    return path


def is_internal(path: bytes) -> bool:
    """Whether a canonical path is between hosts: ``/rpc`` in any case, with parameters or not."""
    return path[1:].partition(b"/")[0].partition(b";")[0].lower() == INTERNAL


def spellings_of_internal() -> list[bytes]:
    """The same for paths without parameters, as the prefixes to look up: ``/rpc``, ``/Rpc``..."""
    spelled = [b"/"]
    for letter in INTERNAL.decode():
        both = (letter.encode(), letter.upper().encode())
        spelled = [begun + form for begun in spelled for form in both]
    return spelled


def split_absolute(target: bytes) -> tuple[bytes, bytes] | None:
    """Host (lower case, no port) and origin form of ``http://host/path?query``, else None.

    RFC 9112 section 3.2.2: what is named here counts, not the Host field.
    """
    whole = _ABSOLUTE(target)
    authority = _AUTHORITY(whole[1]) if whole else None
    if whole is None or authority is None:
        return None
    rest = whole[2]
    return authority[1].lower(), rest if rest.startswith(b"/") else b"/" + rest

"""Rules for a JSON body, compiled: members removed, renamed, added where missing.

A path names members from the outside in, ``address.street``; ``[]`` after a name steps into every
element, ``lines[].sku``, and at the front into those of an array that is the whole body,
``[].sku``. Paths of ``remove`` and ``rename`` use the names that come in, paths of ``add`` those
that go out. A rename gives a member another name in its place, ``lines[].sku: code``; where the
new name came too, that member stays and the renamed one goes. ``add`` fills objects that are
there and makes none. Where the body is of another shape than a path, the path does nothing.

What no path leads to is never decoded: numbers keep their digits and strings their escapes. Of a
name that stands twice in an object that changes, the last counts (as for most readers). White
space between the members of a changed object goes.

The rules are about shape, for versions of a contract. They keep no secrets: what is not JSON (or
not readable, or coded, or too large, in an answer) passes as it came.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum

import msgspec
from msgspec import Raw

from strangler_proxy import config
from strangler_proxy.errors import Field, Finding
from strangler_proxy.transform.targets import number_findings

BODY_BYTES = 262_144  # larger bodies are not collected: changing one takes about 7 ms
STEPS = 32  # of a path
IDENTITY = (b"Accept-Encoding", b"identity")

_PATH = re.compile(r"(?:(?:\[\])+\.)?[^.\[\]]+(?:(?:\[\])*\.[^.\[\]]+)*").fullmatch
_STEP = re.compile(r"\[\]|[^.\[\]]+")
_CHARSET = re.compile(rb";\s*charset\s*=\s*\"?([^\s;\"]*)", re.I)
_UTF8 = frozenset({b"utf-8", b"utf8", b"us-ascii"})

# Fields that are wrong once the content has changed, or that frame the message anew.
_OF_THE_CONTENT = frozenset(
    {
        *(b"content-length", b"transfer-encoding", b"trailer", b"accept-ranges"),
        *(b"content-md5", b"digest", b"content-digest", b"repr-digest"),
    }
)
_CHOICE = frozenset({b"accept-encoding", b"range", b"if-range"})

_ANY = msgspec.json.Decoder(Raw)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_ENCODE = msgspec.json.Encoder().encode
_OBJECT_BEGINS, _ARRAY_BEGINS = b"{["


class Scope(StrEnum):
    """What a message's head says about its body."""

    JSON = "json"  # collect it and change it
    OTHER = "other"  # let it pass
    CODED = "coded"  # JSON, but compressed or in another alphabet than UTF-8


class _Node:
    """What happens to one value: to it as a member, and to what is inside."""

    __slots__ = ("added", "elements", "members", "removed", "renamed")

    def __init__(self) -> None:
        self.members: dict[str, _Node] = {}
        self.elements: _Node | None = None
        self.removed = False
        self.renamed: str | None = None
        self.added: dict[str, Raw] = {}


_UNTOUCHED = _Node()


class BodyRules:
    """The compiled rules."""

    __slots__ = ("_added", "_edited")

    def __init__(self, rules: config.Fields) -> None:
        self._edited = _Node()  # by names that come in
        self._added = _Node()  # by names that go out
        for path in rules.remove:
            _grow(self._edited, _steps(path)).removed = True
        for path, new in rules.rename.items():
            _grow(self._edited, _steps(path)).renamed = new
        for path, value in rules.add.items():
            *outer, name = _steps(path)
            _grow(self._added, outer).added[name] = Raw(_ENCODE(value))

    def scope(self, headers: Mapping[bytes, bytes]) -> Scope:
        """Whether the body is to be collected. ``headers``: names in lower case.

        Only ``application/json`` and ``+json``; not problems (RFC 9457), whose form is no
        contract's, and no parts of a representation (Content-Range).
        """
        kind, mark, parameters = headers.get(b"content-type", b"").partition(b";")
        kind = kind.strip().lower()
        if kind != b"application/json" and not kind.endswith(b"+json"):
            return Scope.OTHER
        if kind == b"application/problem+json" or b"content-range" in headers:
            return Scope.OTHER
        if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
            return Scope.CODED
        charset = _CHARSET.search(mark + parameters) if mark else None
        return Scope.CODED if charset and charset[1].lower() not in _UTF8 else Scope.JSON

    def change(self, content: bytes) -> bytes | None:
        """The content after the rules, the same object if they change nothing.

        None if it is not JSON that can be read (RFC 8259: UTF-8, no byte order mark, about a
        thousand levels deep at the most). No content at all is left alone.
        """
        if not content:
            return content
        try:
            root = _ANY.decode(content)  # reads all of it: what follows finds no fault in form
            changed = _change(root, self._edited, self._added)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return content if changed is None else changed

    def frame(self, fields: Collection[Field], content: bytes | None) -> list[Field]:
        """The head of a changed message; ``content`` None for one without any (HEAD, 304).

        A strong ETag becomes weak: it named other bytes, and ours change with the rules (RFC 9110
        section 8.8.1). It still spares the answer to If-None-Match; for If-Match it is enough
        where the upstream compares versions, as the shop does. Digests of the old bytes go.
        """
        framed = [_weak(field) for field in fields if field[0].lower() not in _OF_THE_CONTENT]
        if content is not None:
            framed.append((b"Content-Length", b"%d" % len(content)))
        return framed


def asking_for_plain_json(fields: Collection[Field]) -> list[Field]:
    """A request's fields where the answer is to be changed: all of it, and not compressed."""
    return [*(field for field in fields if field[0].lower() not in _CHOICE), IDENTITY]


def body_findings(rules: config.Fields, path: str) -> list[Finding]:
    """Why these rules cannot be used; nothing, if they can."""
    found = []
    for kind in ("remove", "rename", "add"):
        for name in getattr(rules, kind):
            if not _PATH(name) or len(_steps(name)) > STEPS:
                reason = f"{name!r} is not a path of names, as in lines[].sku"
                found.append(Finding(path=f"{path}.{kind}.{name}", reason=reason))
    return found or [*_contradictions(rules, path), *number_findings(rules, path)]


def _contradictions(rules: config.Fields, path: str) -> Iterator[Finding]:
    removed = {tuple(_steps(name)) for name in rules.remove}
    for kind, names in (("remove", rules.remove), ("rename", tuple(rules.rename))):
        for name in names:
            steps = tuple(_steps(name))
            under = len(steps) - (kind == "remove")
            if any(steps[: end + 1] in removed for end in range(under)):
                reason = f"{name} is removed, or with what it is in, before this rule"
                yield Finding(path=f"{path}.{kind}.{name}", reason=reason)
    taken: set[tuple[str, ...]] = set()
    for name, new in rules.rename.items():
        where = f"{path}.rename.{name}"
        if not new or set(new) & set(".[]"):
            reason = f"{new!r} is not a name; write the new name alone, without its path"
            yield Finding(path=where, reason=reason)
        place = (*_steps(name)[:-1], new)
        if place in taken:
            yield Finding(path=where, reason=f"another member is renamed to {new} already")
        taken.add(place)


def _steps(path: str) -> list[str]:
    return _STEP.findall(path)


def _grow(node: _Node, steps: list[str]) -> _Node:
    for step in steps:
        if step == "[]":
            node.elements = node.elements or _Node()
            node = node.elements
        else:
            node = node.members.setdefault(step, _Node())
    return node


def _change(value: bytes | Raw, edited: _Node | None, added: _Node | None) -> bytes | None:
    """The value after the rules; None if they change nothing."""
    first = memoryview(value)[0]
    if first == _OBJECT_BEGINS:
        return _change_object(value, edited or _UNTOUCHED, added or _UNTOUCHED)
    if first == _ARRAY_BEGINS:
        return _change_array(value, edited and edited.elements, added and added.elements)
    return None


def _change_array(value: bytes | Raw, edited: _Node | None, added: _Node | None) -> bytes | None:
    if edited is None and added is None:
        return None
    elements = _ARRAY.decode(value)
    changes = [_change(element, edited, added) for element in elements]
    if not any(changes):
        return None
    pairs = zip(changes, elements, strict=True)
    return _ENCODE([old if new is None else Raw(new) for new, old in pairs])


def _change_object(value: bytes | Raw, edited: _Node, added: _Node) -> bytes | None:
    members = _OBJECT.decode(value)
    inside: dict[str, _Node] = {}
    changed = False
    if not edited.members.keys().isdisjoint(members):
        members, inside, changed = _move(members, edited.members)
    for name in (inside.keys() | added.members.keys()) & members.keys():
        inner = _change(members[name], inside.get(name), added.members.get(name))
        if inner is not None:
            members[name] = Raw(inner)
            changed = True
    for name, value in added.added.items():
        if name not in members:
            members[name] = value
            changed = True
    return _ENCODE(members) if changed else None


def _move(
    members: dict[str, Raw], edits: dict[str, _Node]
) -> tuple[dict[str, Raw], dict[str, _Node], bool]:
    """Remove and rename; with the rules for what is inside, by new name, and whether it did."""
    done: dict[str, Raw] = {}
    inside: dict[str, _Node] = {}
    changed = False
    for name, value in members.items():
        edit = edits.get(name)
        new = name if edit is None else _new_name(name, edit, members, edits)
        changed = changed or new != name
        if new is not None:
            done[new] = value
            if edit is not None:
                inside[new] = edit
    return done, inside, changed


def _new_name(
    name: str, edit: _Node, members: dict[str, Raw], edits: dict[str, _Node]
) -> str | None:
    """The name under which a member goes out; None if it does not."""
    if edit.removed or edit.renamed is None:
        return None if edit.removed else name
    rival = edits.get(edit.renamed, _UNTOUCHED)
    stays = edit.renamed in members and not rival.removed and rival.renamed is None
    return None if stays else edit.renamed


def _weak(field: Field) -> Field:
    if field[0].lower() == b"etag" and field[1].startswith(b'"'):
        return field[0], b"W/" + field[1]
    return field

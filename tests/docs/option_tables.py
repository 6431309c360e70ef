"""The part of ``docs/proxy-reference.md`` that is made of the Structs of ``config``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import inspect

from strangler_proxy import config
from tests.docs.inventory import Option, options, parts
from tests.docs.meanings import OPTIONS
from tests.docs.proofs import Proofs

Rows = Iterable[Iterable[str]]
HEAD = """\
`[]` is each of a list, `.*` each by its name. The last column names the section whose example uses
the option: **bold**, if its output is different without it, or with another value where it cannot
be left out (found out by running it so): the tests would notice if the option had no effect. In
the others it stands in a document that the example runs with.
"""
# How the kinds of text are called in the tables; what each is stands above them.
KINDS = {
    "name": config.Name,
    "address": config.Address,
    "host": config.Host,
    "bytes": config.Size,
    "header name": config.HeaderName,
    "header value": config.HeaderValue,
    "method": config.Method,
    "path": config.Path,
    "network": config.Network,
    "key": config.StickyKey,
}


class Undocumented(Exception):
    """Something in the code has no meaning yet; says where to write it."""


def _kinds() -> Iterator[str]:
    """What the kinds of text are."""
    yield table(["kind", "is"], [[kind, _described(alias)] for kind, alias in KINDS.items()])


def _described(alias: Any) -> str:
    info = inspect.type_info(alias)
    return str((info.extra_json_schema or {})["description"])


def option_tables(proofs: Proofs) -> Iterator[str]:
    """Of every part, in the order of the document. Raises Undocumented."""
    yield HEAD
    yield from _kinds()
    by_part = defaultdict(list)
    for option in options():
        by_part[option.part].append(option)
    for name, (part, paths) in parts().items():
        where = ", ".join(f"`{path}`" for path in paths if path) or "The document itself"
        yield f"### {name}\n{where}. {_prose(part.__doc__)}\n"
        rows = [_option(option, proofs) for option in by_part[name]]
        yield table(["option", "type", "default", "meaning", "example"], rows)


def _option(option: Option, proofs: Proofs) -> list[str]:
    meaning = OPTIONS.get(option.key) or option.comment.replace("``", "`")
    if not meaning:
        raise Undocumented(f"{option.key}: say in tests/docs/meanings.py what it means")
    info = inspect.type_info(option.field.type)
    return [
        f"`{option.name}`",
        _kind(info),
        _default(option),
        meaning,
        proofs.shown(option.key),
    ]


def _kind(info: Any) -> str:
    """A type, for people."""
    match info:
        case inspect.Metadata(inner, extra_json_schema=extra):
            described = (extra or {}).get("description")
            return next(
                (k for k, one in KINDS.items() if _described(one) == described), _kind(inner)
            )
        case inspect.StructType(cls):
            return f"[{cls.__name__}](#{cls.__name__.lower()})"
        case inspect.VarTupleType(item_type=item, min_length=least):
            return f"list of {_kind(item)}" + (", at least one" if least else "")
        case inspect.DictType(key_type=key, value_type=value):
            return f"mapping of {_kind(key)} to {_kind(value)}"
        case inspect.UnionType(types):
            return " or ".join(_kind(one) for one in types)
        case inspect.LiteralType(values):
            return " or ".join(f"`{one}`" for one in values)
        case inspect.EnumType(cls):
            return " or ".join(f"`{one.value}`" for one in cls)
        case inspect.IntType():
            return f"whole number{_range(info)}"
        case inspect.FloatType():
            return f"number{_range(info)}"
    return {"StrType": "text", "BoolType": "true or false", "NoneType": "null"}[type(info).__name__]


def _range(info: Any) -> str:
    high = f"{info.le:g}" if isinstance(info.le, float) else f"{info.le}"
    if info.ge is not None and info.le is not None:
        return f", {info.ge} to {high}"
    low = f"at least {info.ge}" if info.ge is not None else ""
    low = f"more than {info.gt}" if info.gt is not None else low
    both = " and ".join(filter(None, [low, f"at most {high}" if info.le is not None else ""]))
    return f", {both}" if both else ""


def _default(option: Option) -> str:
    field, default = option.field, option.field.default
    if default is msgspec.NODEFAULT:
        default = field.default_factory() if callable(field.default_factory) else default
    if default is msgspec.NODEFAULT:
        return "needed"
    match msgspec.to_builtins(default):
        case None:
            return "null"
        case bool(value):
            return str(value).lower()
        case int(value) if option.name.endswith("bytes"):
            return _size(value)
        case int(value) | float(value):
            return f"{value}"
        case str(value):
            return f"`{value}`"
        case dict(value):
            return "its defaults" if value else "none"
        case values:
            return ", ".join(f"`{one}`" for one in values) or "none"


def _size(value: int) -> str:
    """Powers of two named."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if value >= 1 << power and value % (1 << power) == 0:
            return f"{value} ({value >> power} {unit})"
    return f"{value}"


def _prose(docstring: str | None) -> str:
    """The first paragraph of a docstring in one line."""
    paragraph = (docstring or "").split("\n\n")[0]
    return " ".join(paragraph.split()).replace("``", "`")


def table(head: Iterable[str], rows: Rows) -> str:
    """A table of Markdown."""
    lines = [list(head)]
    lines.append(["---"] * len(lines[0]))
    lines += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |".replace("|  |", "| |") + "\n" for line in lines)

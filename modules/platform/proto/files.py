"""The ``.proto`` of each contract: made from the code, written, and held against it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.platform import contracts
from modules.platform.binding import methods_of
from modules.platform.contracts import errors as platform_errors
from modules.platform.contracts.schema import contract_classes
from modules.platform.proto import details
from modules.platform.proto.errors import NoProto
from modules.platform.proto.numbering import Numbering, assign, read
from modules.platform.proto.reading import Reader, errors_in
from modules.platform.proto.shapes import (
    WELL_KNOWN,
    File,
    Rpc,
    camel,
    package_of,
    path_of,
)
from modules.platform.proto.text import written

PLATFORM = "platform"
# What contracts may name of the platform's, and what calls say themselves.
_PLATFORM_TYPES: tuple[type, ...] = (
    contracts.Money,
    contracts.PostalAddress,
    details.Date,
    details.Raised,
    details.Refused,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A ``.proto`` that is not what the code says; ``exists`` is false when there is none."""

    module: str
    path: str
    exists: bool


def file_of(module: str) -> File:
    """The contract of ``module``, or the platform's. Raises NoProto and ImportError."""
    if module == PLATFORM:
        raises = errors_in(vars(platform_errors).values())
        return file_from(PLATFORM, (*_PLATFORM_TYPES, *raises))
    return file_from(module, tuple(contract_classes(module)))


def file_from(module: str, classes: Sequence[type]) -> File:
    """A file of the port among ``classes``, what it speaks of, and the errors.

    Of the platform's all ``classes``, since nothing of its own names them. Raises NoProto.
    """
    reader = Reader(module=module)
    ports = [cls for cls in classes if getattr(cls, "_is_protocol", False)]
    if len(ports) > 1:
        raise NoProto(module, "a contract has one port")
    rpcs = [
        Rpc(name=camel(name), method=name, request=both[0], response=both[1])
        for port in ports
        for name, method in methods_of(port).items()
        for both in [reader.method(method)]
    ]
    for cls in classes if module == PLATFORM else errors_in(classes):
        reader.message_of(cls)
    package = package_of(module)
    return File(
        module=module,
        path=path_of(module),
        package=package,
        imports=_imports(reader.foreign),
        service=ports[0].__name__ if ports else "",
        rpcs=tuple(rpcs),
        messages=tuple(reader.messages.values()),
        enums=tuple(reader.enums.values()),
    )


def _imports(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({WELL_KNOWN.get(name) or path_of(name.split(".")[1]) for name in names}))


def text_of(file: File, before: str = "") -> str:
    """The text of ``file``, with the numbers that the text ``before`` gives."""
    return written(file, assign(file, read(before)))


def numbers_in(text: str) -> Numbering:
    """The numbers that a committed text gives."""
    return read(text)


def write(root: Path, modules: Iterable[str]) -> tuple[str, ...]:
    """Write those that differ from the code; their paths. Raises NoProto."""
    stale = list(check(root, modules))
    for one in stale:
        path = root / one.path
        path.write_text(text_of(file_of(one.module), _there(path)), encoding="utf-8")
    return tuple(one.path for one in stale)


def check(root: Path, modules: Iterable[str]) -> tuple[Drift, ...]:
    """Those that say something else than the code. Raises NoProto."""
    found = []
    for module in modules:
        path = root / path_of(module)
        before = _there(path)
        if text_of(file_of(module), before) != before:
            found.append(Drift(module=module, path=path_of(module), exists=bool(before)))
    return tuple(found)


def _there(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""

"""A host's pinned requirements: those of the root that its packages need, with their own.

What is needed directly stands by name in ``modules/platform/requirements.in`` and
``modules/<name>/requirements.in``; what those need in turn is read from the root file's ``# via``
notes. So a host runs on the very versions that the whole was tested with, and nothing is resolved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==")
_SOURCE = "-r "  # "via -r requirements.in": somebody wants it by name


class NotPinned(Exception):
    """A package is needed that the root's requirements.txt does not pin."""

    def __init__(self, names: Set[str]) -> None:
        super().__init__(
            f"requirements.txt does not pin {', '.join(sorted(names))}: name it in "
            f"requirements.in and run make requirements"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package: its lines with version and hashes, and the packages that brought it in."""

    name: str
    lines: tuple[str, ...]
    via: frozenset[str]


def host_requirements(root: Path, module: str) -> str:
    """The text of the host's requirements.txt. Raises NotPinned."""
    pins = parse(Path(root / "requirements.txt").read_text())
    wanted = needed(names_of(root, module), pins)
    return "".join("\n".join(pins[name].lines) + "\n" for name in sorted(wanted))


def names_of(root: Path, module: str) -> frozenset[str]:
    """The packages that the platform and the module name."""
    files = (root / f"modules/{part}/requirements.in" for part in ("platform", module))
    lines = (line for file in files if file.exists() for line in file.read_text().splitlines())
    return frozenset(_normal(line) for line in lines if line.strip() and not line.startswith("#"))


def needed(names: Set[str], pins: Mapping[str, Pin]) -> frozenset[str]:
    """``names`` and all that they need. Raises NotPinned."""
    missing = names - pins.keys()
    if missing:
        raise NotPinned(missing)
    found = set(names)
    while more := {name for name, pin in pins.items() if name not in found and pin.via & found}:
        found |= more
    return frozenset(found)


def parse(text: str) -> dict[str, Pin]:
    """Package to pin, from what ``uv pip compile`` writes."""
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if _PIN.match(line):
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    return {pin.name: pin for pin in map(_pin, blocks)}


def _pin(block: list[str]) -> Pin:
    matched = _PIN.match(block[0])
    assert matched is not None  # noqa: S101 - blocks begin where it matches
    notes = [line.strip().removeprefix("#").strip() for line in block if "#" in line.lstrip()[:1]]
    parents = (note.removeprefix("via").strip() for note in notes)
    return Pin(
        name=_normal(matched["name"]),
        lines=tuple(line for line in block if not line.lstrip().startswith("#") and line.strip()),
        via=frozenset(_normal(one) for one in parents if one and not one.startswith(_SOURCE)),
    )


def _normal(name: str) -> str:
    """As the index spells names: PEP 503."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()

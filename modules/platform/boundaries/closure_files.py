"""A closure as files: which ones it has, and ``extracted/<module>/closure.txt``, which lists it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modules.platform.boundaries.violations import Violation

# Made by running a host, or on one machine only: never a part of it.
KEPT_OUT = frozenset({"__pycache__", ".ficus", ".venv", ".env", ".pytest_cache", ".mypy_cache"})

HEADING = """\
# All that the host of {module} needs of this tree: copied alone, with the packages of its
# requirements.txt, it migrates, starts and serves. A line is a file, or a folder with all that
# is in it. Made by `manage.py modules closure {module} --write`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """``parts`` are folders (with a slash at the end) and files, sorted, relative to the root.

    ``because`` says of each who needs it; ``violations`` name what is reached and may not be.
    """

    module: str
    parts: tuple[str, ...]
    because: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()


def files_of(root: Path, parts: Iterable[str]) -> Iterator[str]:
    """The files that are copied for ``parts``, sorted, relative to the root."""
    for part in parts:
        whole = [root / part] if not part.endswith("/") else (root / part).rglob("*")
        paths = (path for path in whole if path.is_file())
        yield from sorted(
            relative.as_posix()
            for relative in (path.relative_to(root) for path in paths)
            if not KEPT_OUT.intersection(relative.parts)
        )


def path_of(module: str) -> str:
    """Where it stands, relative to the project's root."""
    return f"extracted/{module}/closure.txt"


def text_of(one: Closure) -> str:
    """The file's text: a heading, then a part a line."""
    return HEADING.format(module=one.module) + "".join(f"{part}\n" for part in one.parts)


def write(root: Path, one: Closure) -> bool:
    """Bring the file up to date. Whether it was not. Raises FileNotFoundError without a host."""
    path = root / path_of(one.module)
    if path.is_file() and path.read_text() == text_of(one):
        return False
    path.write_text(text_of(one))
    return True


def parts_in(text: str) -> dict[str, int]:
    """The parts that a closure.txt lists, each with its line."""
    lines = enumerate(text.splitlines(), start=1)
    return {line.strip(): at for at, line in lines if line.strip() and not line.startswith("#")}


def check(root: Path, one: Closure) -> Iterator[Violation]:
    """The lines that are missing or too many, and a file that is otherwise not as written."""
    path = root / path_of(one.module)
    text = path.read_text() if path.is_file() else ""
    listed = parts_in(text)
    for part in one.parts:
        if part not in listed:
            fact = f"it does not list {part}, which {one.because.get(part, 'the host')} needs"
            yield _drift(one, 0, fact)
    for part, line in listed.items():
        if part not in one.parts:
            yield _drift(one, line, f"it lists {part}, which nothing needs")
    if text != text_of(one) and set(listed) == set(one.parts):
        yield _drift(one, 0, "it is not as --write writes it")


def _drift(one: Closure, line: int, fact: str) -> Violation:
    return Violation(
        path=path_of(one.module),
        line=line,
        rule="closure-drift",
        fact=f"{path_of(one.module)}: {fact}",
        way_out=f"run manage.py modules closure {one.module} --write and look at the difference",
    )

"""``schema.json`` of each contract: written, held against the code, held against the past."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from modules.platform.boundaries.violations import Violation
from modules.platform.contracts.compatibility import CanUpcast, breaches
from modules.platform.contracts.schema import Snapshot, dump, load, snapshot


class NoSuchBase(Exception):
    """There is no such git ref, and no such file; the message names it."""


def path_of(module: str) -> str:
    """Where the module's snapshot stands, relative to the project's root."""
    return f"modules/{module}/contract/schema.json"


def write(root: Path, modules: Iterable[str]) -> tuple[str, ...]:
    """Write the snapshots that differ from the code; their paths."""
    stale = [module for module in modules if _written(root, module) != dump(snapshot(module))]
    for module in stale:
        (root / path_of(module)).write_text(dump(snapshot(module)))
    return tuple(path_of(module) for module in stale)


def check_drift(root: Path, modules: Iterable[str]) -> Iterator[Violation]:
    """Snapshots that say something else than the code."""
    for module in modules:
        written = _written(root, module)
        if written == dump(snapshot(module)):
            continue
        yield Violation(
            path=path_of(module),
            line=0,
            rule="schema-drift",
            fact=f"the contract of {module} is not what its snapshot says"
            if written
            else f"the contract of {module} has no snapshot",
            way_out=f"run manage.py modules schema --write {module} and look at the difference",
        )


def check_compatible(
    root: Path, modules: Iterable[str], *, base: str, can_upcast: CanUpcast
) -> Iterator[Violation]:
    """What breaks those who rely on the contracts as they were at ``base``: a git ref, or the
    path of one snapshot. Raises NoSuchBase.
    """
    for old in _at_base(root, tuple(modules), base):
        for breach in breaches(old, snapshot(old.module), can_upcast=can_upcast):
            yield Violation(
                path=path_of(old.module),
                line=0,
                rule="contract-broken",
                fact=f"{breach.place}: {breach.fact}, against {base}",
                way_out=breach.way_out,
            )


def _at_base(root: Path, modules: tuple[str, ...], base: str) -> Iterator[Snapshot]:
    if Path(base).is_file():
        yield _load(Path(base).read_text(), base)
        return
    if _git(root, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") is None:
        raise NoSuchBase(f"{base} is neither a git ref of this repository nor a file")
    for module in modules:
        text = _git(root, "show", f"{base}:{path_of(module)}")
        if text is not None:  # a module that is new breaks nobody
            yield _load(text, f"{base}:{path_of(module)}")


def _load(text: str, where: str) -> Snapshot:
    try:
        return load(text)
    except ValueError as error:
        raise NoSuchBase(f"{where}: {error}") from error


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(  # noqa: S603 - a fixed program; the ref cannot be an option after a verb
        ["git", "-C", str(root), *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def _written(root: Path, module: str) -> str:
    path = root / path_of(module)
    return path.read_text() if path.is_file() else ""
